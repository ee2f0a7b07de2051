"""Topics, queues, dead-letter queues and subscriptions, as `penstock.resources` lists them."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from penstock.channel import DAY_SECONDS, Queue, Topic
from penstock.resources import QUEUES, TOPICS, physical_name

DEAD_LETTER_RETENTION = Duration.days(14)
_KEY_REUSE = Duration.hours(1)
"""How long a queue keeps a data key: each new one is a paid call of KMS."""


class Channels(Construct):
    """What messages travel through. `queues` has dead-letter queues too, by Penstock's names."""

    def __init__(self, scope: Construct, name: str, *, prefix: str, key: kms.IKey) -> None:
        """Create every topic and queue, and join them."""
        super().__init__(scope, name)
        self._prefix = prefix
        self._key = key
        self.queues: dict[str, sqs.Queue] = {}
        self.topics: dict[str, sns.Topic] = {}
        for queue in QUEUES:
            self._add_queue(queue)
        for topic in TOPICS:
            self._add_topic(topic)

    def _add_queue(self, queue: Queue) -> None:
        dead_letters = self._add_dead_letter_queue(queue.dead_letter_name)
        self.queues[queue.name] = sqs.Queue(
            self,
            queue.name,
            queue_name=physical_name(self._prefix, queue.name),
            visibility_timeout=Duration.seconds(queue.visibility_seconds),
            retention_period=Duration.days(queue.retention_seconds // DAY_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=dead_letters, max_receive_count=queue.max_receives
            ),
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            data_key_reuse=_KEY_REUSE,
            enforce_ssl=True,
        )

    def _add_dead_letter_queue(self, name: str) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            name,
            queue_name=physical_name(self._prefix, name),
            retention_period=DEAD_LETTER_RETENTION,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            data_key_reuse=_KEY_REUSE,
            enforce_ssl=True,
        )
        self.queues[name] = queue
        return queue

    def _add_topic(self, topic: Topic) -> None:
        made = sns.Topic(
            self,
            f"topic-{topic.name}",
            topic_name=physical_name(self._prefix, topic.name),
            master_key=self._key,
            enforce_ssl=True,
        )
        self.topics[topic.name] = made
        for queue in topic.subscribers:
            self._subscribe(topic, made, queue)

    def _subscribe(self, topic: Topic, made: sns.Topic, queue: Queue) -> None:
        dead_letters = self._add_dead_letter_queue(topic.subscription_dead_letter_name(queue))
        for one in (self.queues[queue.name], dead_letters):
            one.add_to_resource_policy(_only_from(made, one))
        sns.CfnSubscription(
            self,
            f"{topic.name}-to-{queue.name}",
            topic_arn=made.topic_arn,
            protocol="sqs",
            endpoint=self.queues[queue.name].queue_arn,
            raw_message_delivery=True,
            redrive_policy={"deadLetterTargetArn": dead_letters.queue_arn},
        )


def _only_from(topic: sns.Topic, queue: sqs.Queue) -> iam.PolicyStatement:
    """Let one topic send to a queue; nobody else outside this account's own roles may."""
    return iam.PolicyStatement(
        sid="OurTopicSends",
        principals=[iam.ServicePrincipal("sns.amazonaws.com")],
        actions=["sqs:SendMessage"],
        resources=[queue.queue_arn],
        conditions={
            "ArnEquals": {"aws:SourceArn": topic.topic_arn},
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
        },
    )
