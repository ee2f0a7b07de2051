"""The real adapters keep the promises that the memory ones keep."""

import time

import pytest
from penstock.adapters.aws import arn_of, aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sns import SnsPublisher
from penstock.adapters.sqs import SqsReceiver, open_publisher, open_receiver, queue_url
from penstock.domain.errors import Unavailable
from penstock.resources import ARCHIVE, physical_name

from tests.contract.port_suites import check_key_value_store, check_object_store, check_queue

REGION = "eu-west-1"
ACCOUNT = "000000000000"


async def test_dynamodb_keeps_the_contract(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        await check_key_value_store(DynamoStore(await clients.dynamodb(), name_prefix))


async def test_s3_keeps_the_contract(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        bucket = physical_name(name_prefix, ARCHIVE.name)
        await check_object_store(S3ObjectStore(await clients.s3(), bucket))


async def test_sqs_keeps_the_contract(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        sqs = await clients.sqs()
        queue, dead = (physical_name(name_prefix, name) for name in ("commands", "commands-dlq"))
        receiver = await open_receiver(sqs, queue=queue, dead_letter_queue=dead)
        dead_letters = SqsReceiver(sqs, await queue_url(sqs, dead))
        await check_queue(await open_publisher(sqs, queue), receiver, dead_letters)


async def test_a_topic_copies_each_body_to_every_subscriber_raw(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        sqs = await clients.sqs()
        sns = await clients.sns()
        topic = physical_name(name_prefix, "readings")
        publisher = SnsPublisher(sns, arn_of("sns", topic, region=REGION, account=ACCOUNT))
        await publisher.ping()
        bodies = [f"pack {n} " + "x" * 60_000 for n in range(6)]  # two calls: 256 KiB each at most
        assert all(outcome.is_durable for outcome in await publisher.publish(bodies))
        for name in ("inference", "archive"):
            receiver = SqsReceiver(sqs, await queue_url(sqs, physical_name(name_prefix, name)))
            seen: set[str] = set()
            while len(seen) < len(bodies):
                deliveries = await receiver.receive(at_most=10, wait_seconds=20)
                assert deliveries, "a copy is missing"
                for delivery in deliveries:
                    await delivery.ack()
                    if "canary" not in delivery.body[:300]:
                        seen.add(delivery.body)
            assert seen == set(bodies)


async def test_a_topic_that_is_not_there_is_unavailable_and_is_not_made(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        sns = await clients.sns()
        arn = arn_of("sns", f"{name_prefix}-nowhere", region=REGION, account=ACCOUNT)
        publisher = SnsPublisher(sns, arn)
        for _ in range(2):
            with pytest.raises(Unavailable, match="nowhere"):
                await publisher.ping()
            with pytest.raises(Unavailable, match="nowhere"):
                await publisher.publish(["lost?"])


async def test_a_delay_of_less_than_a_second_is_not_none(name_prefix: str) -> None:
    async with aws_clients(REGION) as clients:
        sqs = await clients.sqs()
        queue, dead = (physical_name(name_prefix, name) for name in ("commands", "commands-dlq"))
        receiver = await open_receiver(sqs, queue=queue, dead_letter_queue=dead)
        await (await open_publisher(sqs, queue)).publish(["not yet"])
        (delivery,) = await receiver.receive(at_most=1, wait_seconds=20)
        held_at = time.monotonic()
        await delivery.nack(0.4)
        while again := await receiver.receive(at_most=1, wait_seconds=0):
            assert time.monotonic() - held_at > 0.9, "it came back at once"
            held_at = time.monotonic()  # a busy machine looked too late: once more
            await again[0].nack(0.4)
