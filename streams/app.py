"""The Faust app: wiring only. Four agents, one for each thing that comes in; each hands its batch to the worker and is a screen long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

import faust
from aiokafka import AIOKafkaProducer
from faust.types import StreamT

from risk.engine import Engine
from risk.language import RuleSet
from risk.learning import Version, fixed_version
from streams.broadcast import Published, covered_since, kept_by, publish_ruleset, publish_version
from streams.decide import decide_waiting
from streams.lists import FollowedLists
from streams.models import Models
from streams.observe import apply_touches
from streams.outbox import Outbox
from streams.settings import Settings
from streams.topics import names
from streams.transport import Batch, Consumer, Producer
from streams.wire import INPUT_TOPICS, decode_answers
from streams.worker import Worker

BATCH_BYTES = 1024 * 1024


def make_app(
    settings: Settings, ruleset: RuleSet, history: Sequence[Published], instance: str, fail: Callable[[BaseException], None]
) -> tuple[faust.App, Worker]:
    """The app of one worker, not yet started.

    ``history``: the rule sets that were published before; ``instance`` tells workers apart in epochs; ``fail`` is told what the worker
    cannot go on after.
    """
    topics = names(settings)
    app = faust.App(
        settings.id,
        broker=[f"riskbatch://{broker}" for broker in settings.brokers.split(",")],
        broker_client_id=f"{settings.id}-{instance}",
        broker_session_timeout=settings.session_ms / 1000,
        broker_heartbeat_interval=settings.session_ms / 6000,
        broker_request_timeout=max(30.0, settings.session_ms / 1000 + 1),
        broker_rebalance_timeout=30.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=2 * 2**20,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=16 * 2**20,
        producer_linger_ms=0,
        producer_request_timeout=120.0,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
        datadir=str(settings.state),
        version=1,
    )
    engine = Engine(ruleset, since=covered_since(history, kept_by(ruleset), int(time.time() * 1000)))
    worker = Worker(settings, engine, topics, instance, lambda: _begin(app, worker, history), fail)
    app.gate = worker  # type: ignore[attr-defined]  # the transport finds it there
    _add_agents(app, worker, topics)
    return app, worker


def _add_agents(app: faust.App, worker: Worker, topics: dict[str, str]) -> None:
    agents = {route: INPUT_TOPICS, observe: ("touches",), decide: ("values",), learn: ("learn",)}
    for body, roles in agents.items():

        async def agent(batches: StreamT[Any], body: Body = body) -> None:
            try:
                await body(worker, cast(AsyncIterator[Batch], batches))
            except Exception as error:  # Faust would start the agent anew and forget the batch
                worker.fail(error)
                raise

        topic = app.topic(*(topics[role] for role in roles), value_type=cast(Any, Batch), value_serializer="batch", acks=False)
        app.agent(topic, name=body.__name__)(cast(Any, agent))


Body = Callable[[Worker, AsyncIterator[Batch]], Awaitable[None]]


async def route(worker: Worker, batches: AsyncIterator[Batch]) -> None:
    """Payments, activity and labels, in merged order."""
    async for batch in batches:
        worker.take_in(batch)
        await worker.work()


async def observe(worker: Worker, batches: AsyncIterator[Batch]) -> None:
    """Touches that other workers send for profiles that live here."""
    async for batch in batches:
        for source, record in worker.fresh(batch):
            apply_touches(worker, source, record)
        worker.apply_due()
        worker.end_slice()
        if worker.heads.waiting():
            await worker.work()  # what was too far ahead to be routed


async def decide(worker: Worker, batches: AsyncIterator[Batch]) -> None:
    """Answers of profiles on other workers; a payment is decided when its last one is in."""
    async for batch in batches:
        for _, record in worker.fresh(batch):
            for answer in decode_answers(record.value).answers:
                awaited, waiting = worker.pending.answer(answer.source, answer.offset, answer.home, answer.values)
                if waiting is not None:
                    decide_waiting(worker, waiting)
                elif not awaited:
                    worker.metrics.add("risk_answers_unwanted_total")
        worker.end_slice()


async def learn(worker: Worker, batches: AsyncIterator[Batch]) -> None:
    """Decided payments and labels, where this worker owns the one learner of the group."""
    async for batch in batches:
        for _, record in worker.fresh(batch):
            await worker.learning.take(record, partial(publish_version, worker.outbox, worker.topics["models"]))


class Begun:
    """What a worker started for itself, beside Faust."""

    def __init__(self, models: Models, lists: FollowedLists, changelog: AIOKafkaProducer) -> None:
        self._models = models
        self._lists = lists
        self._changelog = changelog

    async def stop(self) -> None:
        await self._models.stop()
        await self._lists.stop()
        await self._changelog.stop()


async def _begin(app: faust.App, worker: Worker, history: Sequence[Published]) -> Begun:
    """Once, before the first partition is taken over: the rule set is published, the newest version of the model and the lists are read."""
    settings, ruleset, topics = worker.settings, worker.engine.ruleset, worker.topics
    producer = cast(Producer, app.producer)
    # A producer has one request under way to each broker: a changelog of its own does not stand in the way of decisions.
    changelog = producer._new_producer()
    await changelog.start()
    worker.connect(cast(Consumer, app.consumer), Outbox(producer._ensure_producer(), worker.heartbeat), Outbox(changelog, worker.heartbeat))
    await publish_ruleset(worker.outbox, topics["rulesets"], ruleset, history)
    worker.metrics.only("risk_ruleset_info", ruleset.hash)
    given = ruleset.model is not None and ruleset.model.learner == "fixed"  # what the rule files say scores, whatever the topic says
    models = Models(
        settings.brokers, topics["models"], ruleset.model, worker.metrics,
        (lambda version: None) if given else (lambda version: _use(worker, version)), worker.fail,
    )  # fmt: skip
    await models.start()
    if ruleset.model is not None and ruleset.model.learner == "fixed":
        version = fixed_version(ruleset.model)
        await publish_version(worker.outbox, topics["models"], version)
        _use(worker, version)
    lists = FollowedLists(settings.brokers, topics["lists"], ruleset.lists, worker.engine.change_lists, worker.fail)
    await lists.start()
    return Begun(models, lists, changelog)


def _use(worker: Worker, version: Version) -> None:
    """A new version takes over between two slices of work: every decision is made by one version, whole."""
    worker.engine.use(version)
    worker.metrics.only("risk_model_info", version.hash)
