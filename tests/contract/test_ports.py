"""The memory adapters keep the promises that the real ones keep (tests/integration has those)."""

from penstock.adapters.memory import MemoryKeyValueStore, MemoryObjectStore, MemoryQueue

from tests.contract.port_suites import check_key_value_store, check_object_store, check_queue


async def test_memory_tables_keep_the_contract() -> None:
    await check_key_value_store(MemoryKeyValueStore())


async def test_memory_objects_keep_the_contract() -> None:
    await check_object_store(MemoryObjectStore())


async def test_memory_queue_keeps_the_contract() -> None:
    queue = MemoryQueue()
    await check_queue(queue, queue, None)
