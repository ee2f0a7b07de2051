import pytest
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import NotFound, VersionConflict
from penstock.domain.ids import GatewayId
from penstock.domain.time import HOUR, Micros
from penstock.gateways import Gateway, GatewayBody, GatewayStore, IssuedKey, split_key
from penstock.ports import Write
from pydantic import ValidationError

GW = GatewayId("gw_7")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tables() -> MemoryKeyValueStore:
    return MemoryKeyValueStore()


@pytest.fixture
def store(tables: MemoryKeyValueStore, clock: FakeClock) -> GatewayStore:
    return GatewayStore(tables, clock)


def settings(**changes: object) -> GatewayBody:
    return GatewayBody.model_validate({"gateway_id": GW, **changes})


def opens(gateway: Gateway, issued: IssuedKey, at: Micros) -> bool:
    parts = split_key(issued.key.get_secret_value())
    assert parts is not None
    return gateway.matching_key(parts[1], at) is not None


def test_a_key_names_its_gateway_even_where_the_name_has_underscores() -> None:
    secret = "0123456789abcdef" * 4
    assert split_key(f"psk_gw_7_{secret}") == ("gw_7", secret)


@pytest.mark.parametrize(
    "text",
    ["", "psk_", "psk_gw-7", "psk_gw-7_short", "sk_gw-7_" + "a" * 64, "psk_gw:7_" + "a" * 64],
)
def test_text_that_cannot_be_a_key_is_not_taken_apart(text: str) -> None:
    assert split_key(text) is None


async def test_what_a_newer_console_adds_to_a_key_is_ignored(
    store: GatewayStore, tables: MemoryKeyValueStore, clock: FakeClock
) -> None:
    await store.put(settings())
    issued = await store.add_key(GW)
    gateway = await store.get(GW)
    (key,) = gateway.keys
    stored = {"key_id": key.key_id, "digest": key.digest, "created_at": key.created_at, "added": 1}
    await tables.write(Write("gateways", {"gateway_id": GW}, set={"keys": [stored]}))
    assert opens(await store.get(GW), issued, clock.now())


async def test_a_secret_is_shown_once_and_never_stored(
    store: GatewayStore, tables: MemoryKeyValueStore
) -> None:
    await store.put(settings())
    issued = await store.add_key(GW)
    secret = issued.key.get_secret_value().rsplit("_", 1)[1]
    assert secret not in repr(tables.items)
    assert secret not in repr(issued)


async def test_only_the_right_secret_opens(store: GatewayStore, clock: FakeClock) -> None:
    await store.put(settings())
    issued = await store.add_key(GW, label="line 1")
    gateway = await store.get(GW)
    assert opens(gateway, issued, clock.now())
    assert gateway.matching_key("0" * 64, clock.now()) is None
    assert [key.label for key in gateway.keys] == ["line 1"]


async def test_a_key_of_one_gateway_does_not_open_another(
    store: GatewayStore, clock: FakeClock
) -> None:
    await store.put(settings())
    await store.put(settings(gateway_id="gw-8"))
    issued = await store.add_key(GW)
    await store.add_key(GatewayId("gw-8"))
    assert not opens(await store.get(GatewayId("gw-8")), issued, clock.now())


async def test_rotation_keeps_the_old_key_for_the_overlap(
    store: GatewayStore, clock: FakeClock
) -> None:
    await store.put(settings())
    old = await store.add_key(GW)
    new = await store.rotate_key(GW, overlap=HOUR)
    gateway = await store.get(GW)
    assert opens(gateway, old, clock.now())
    assert opens(gateway, new, clock.now())
    clock.advance(seconds=3600)
    assert not opens(gateway, old, clock.now())
    assert opens(gateway, new, clock.now())


async def test_rotation_never_lengthens_a_key_and_drops_ended_ones(
    store: GatewayStore, clock: FakeClock
) -> None:
    await store.put(settings())
    brief = await store.add_key(GW, expires_at=Micros(clock.now() + 60_000_000))
    await store.rotate_key(GW, overlap=HOUR)
    clock.advance(seconds=61)
    gateway = await store.get(GW)
    assert not opens(gateway, brief, clock.now())
    await store.rotate_key(GW, overlap=HOUR)
    assert brief.key_id not in [key.key_id for key in (await store.get(GW)).keys]


async def test_a_revoked_key_opens_no_more_and_the_others_still_do(
    store: GatewayStore, clock: FakeClock
) -> None:
    await store.put(settings())
    lost, kept = await store.add_key(GW), await store.add_key(GW)
    await store.revoke_key(GW, lost.key_id)
    gateway = await store.get(GW)
    assert not opens(gateway, lost, clock.now())
    assert opens(gateway, kept, clock.now())
    with pytest.raises(NotFound, match="no key"):
        await store.revoke_key(GW, lost.key_id)


async def test_new_settings_keep_the_keys(store: GatewayStore, clock: FakeClock) -> None:
    await store.put(settings())
    issued = await store.add_key(GW)
    changed = await store.put(settings(enabled=False, description="north hall"))
    assert changed.settings.description == "north hall"
    assert opens(changed, issued, clock.now())
    assert changed == await store.get(GW)


async def test_an_edit_of_an_older_version_is_refused(store: GatewayStore) -> None:
    created = await store.put(settings(), if_version=0)
    await store.put(settings(description="first"), if_version=created.version)
    with pytest.raises(VersionConflict):
        await store.put(settings(description="second"), if_version=created.version)
    with pytest.raises(VersionConflict):
        await store.put(settings(), if_version=0)


async def test_two_writers_lose_neither_key(clock: FakeClock) -> None:
    """Somebody adds a key between our read and our write: we read again and keep both."""
    shared = MemoryKeyValueStore()
    interrupted = False

    def change_in_between(write: Write) -> None:
        nonlocal interrupted
        if write.require and not interrupted:
            interrupted = True
            item = shared.items["gateways"][(GW,)]
            item["version"] = 99

    shared.on_write = change_in_between
    store = GatewayStore(shared, clock)
    await store.put(settings())
    issued = await store.add_key(GW)
    gateway = await store.get(GW)
    assert opens(gateway, issued, clock.now())
    assert gateway.version == 100


async def test_a_note_about_a_bad_key_changes_no_version(
    store: GatewayStore, clock: FakeClock
) -> None:
    before = await store.put(settings())
    await store.note_bad_key(GW, at=clock.now())
    after = await store.get(GW)
    assert after.version == before.version
    assert after.last_bad_key_at == clock.now()


async def test_settings_of_a_newer_console_are_read(
    store: GatewayStore, tables: MemoryKeyValueStore
) -> None:
    await store.put(settings(description="north"))
    item = tables.items["gateways"][(GW,)]
    item["body"] = str(item["body"]).replace('"description"', '"colour":"red","description"')
    item["body"] = str(item["body"]).replace('"readings_per', '"dollars":1,"readings_per')
    assert (await store.get(GW)).settings.description == "north"


async def test_what_is_not_there_is_not_found(store: GatewayStore) -> None:
    with pytest.raises(NotFound):
        await store.get(GW)
    with pytest.raises(NotFound):
        await store.add_key(GW)
    with pytest.raises(NotFound):
        await store.delete(GW)
    await store.put(settings())
    await store.delete(GW)
    assert [gateway async for gateway in store.list()] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"gateway_id": "gw:7"},
        {"gateway_id": ""},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"paths": []},
        {"paths": [""]},
        {"quality_scheme": "mood"},
        {"quota": {"readings_per_second": -1}},
        {"colour": "red"},
    ],
)
def test_impossible_settings_are_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**fault)
