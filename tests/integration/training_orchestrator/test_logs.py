from penstock.adapters.aws import aws_clients
from penstock.adapters.training_logs import CloudWatchTrainingLogs

GROUP = "/aws/sagemaker/TrainingJobs"


async def test_the_log_of_a_training_is_read_from_cloudwatch(aws_environment: str) -> None:
    async with aws_clients("eu-west-1") as clients:
        client = await clients.client("logs")
        logs = CloudWatchTrainingLogs(client)
        assert [line async for line in logs.lines("penstock-job-1")] == []
        await client.create_log_group(logGroupName=GROUP)
        for name, host in (("penstock-job-1", 1), ("penstock-job-1", 2), ("penstock-job-10", 1)):
            stream = f"{name}/algo-{host}-1790000000"
            await client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            events = [
                {"timestamp": 1_790_000_000_000 + n, "message": f"{name} {host}: round {n}"}
                for n in range(3)
            ]
            await client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
        lines = [line async for line in logs.lines("penstock-job-1")]
    assert lines == [f"penstock-job-1 {host}: round {n}" for host in (1, 2) for n in range(3)]
