"""What is a card number and what only looks like one. Only numbers that the schemes publish for tests appear here."""

from __future__ import annotations

import random
import uuid

import pytest

from risk.cards import holds_card, is_card, luhn, may_hold, message_may_hold

PUBLISHED = {
    "visa": "4111111111111111",
    "visa, 13 digits": "4222222222222",
    "mastercard": "5555555555554444",
    "mastercard, 2 series": "2223003122003222",
    "american express": "378282246310005",
    "diners club": "30569309025904",
    "diners club, 38": "38520000023237",
    "discover": "6011111111111117",
    "jcb": "3530111333300000",
    "unionpay": "6200000000000005",
    "unionpay, 19 digits": "6205500000000000004",
    "maestro": "6759649826438453",
}
LOOKALIKES = (
    "1795510800123",  # epoch milliseconds
    "1795510800123456",  # microseconds
    "1795510800123456789",
    "p0000000001ab12cd34",
    "pay_0000000000004242",
    "0000000000000000",
    "00004111111111111111",  # 20 digits
    "1111111111111117",  # no scheme begins with 1
    "4111111111111112",  # fails Luhn
    "usr_0000123456789",
    "203.0.113.7",
    "a4111111111111111f",  # hex
    "dead4111111111111111beef",
    "card_ab12",
    "62148300",
    "+86 138 1234 5678",
    "2026-11-24T09:00:00.123Z",
    "4111-1111 1111-1111",  # no card is printed so
    "41111-111111-11111",
)


@pytest.mark.parametrize("number", PUBLISHED.values(), ids=PUBLISHED)
def test_the_published_test_numbers_are_card_numbers(number: str) -> None:
    assert luhn(number) and is_card(number) and holds_card(number)


@pytest.mark.parametrize("number", PUBLISHED.values(), ids=PUBLISHED)
@pytest.mark.parametrize("text", ["{}", "card={}", "pan{}", "my card is {}, thanks", "付款卡号{}谢谢", "usr_{}", "{}\n", '"{}"', "{}.00"])
def test_a_card_number_is_found_inside_a_longer_text(text: str, number: str) -> None:
    assert holds_card(text.format(number))


@pytest.mark.parametrize("number", PUBLISHED.values(), ids=PUBLISHED)
def test_a_card_number_with_one_digit_changed_passes(number: str) -> None:
    for place in range(len(number)):
        assert not holds_card(number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "card-4111-1111-1111-1111-x",
        "1 4111 1111 1111 1111 1",
        "1234 4111 1111 1111 1111",
        "4111 1111 1111 1111 123",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111–1111–1111–1111",
        "3782 822463 10005",
        "3056-930902-5904",
        "6205 5000 0000 0000 004",
        "４１１１１１１１１１１１１１１１",
        "４１１１　１１１１　１１１１　１１１１",
    ],
)
def test_the_groups_printed_on_cards_are_card_numbers(text: str) -> None:
    assert holds_card(text)
    assert may_hold(text) and message_may_hold(f'{{"x": "{text}"}}'.encode())


@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_only_looks_like_a_card_number_passes(text: str) -> None:
    assert not holds_card(text)


def test_uuids_and_hex_traces_pass() -> None:
    rng = random.Random(4)
    for _ in range(20_000):
        bits = rng.getrandbits(128)
        assert not holds_card(str(uuid.UUID(int=bits)))
        if not f"{bits:032x}".isdigit():
            assert not holds_card(f"{bits:032x}")
    assert not holds_card("41111111-1111-1111-1111-111111111111")


def test_zero_padded_counters_and_clock_ids_pass() -> None:
    for number in range(0, 2_000_000, 997):
        assert not holds_card(f"{number:016d}") and not holds_card(f"ord_{1_795_510_800_000 + number}")


def test_a_closer_look_is_asked_for_wherever_a_card_number_may_be() -> None:
    for number in PUBLISHED.values():
        assert may_hold(f"a\nb {number} c\nd") and may_hold(f"None\n('x', '{number}')")
        assert message_may_hold(f'{{"x": {{"y": ["a", "b {number} c"]}}}}'.encode())
    assert message_may_hold(b'{"x": "\\u0034111111111111111"}')


def test_no_closer_look_is_asked_for_the_texts_of_an_ordinary_event() -> None:
    assert not may_hold("p0000000001ab12cd34\n203.0.113.7\nNone\n62148300")
    assert not may_hold("1234567\n1234567\n1234567")
    assert not message_may_hold(b'{"at": "2026-11-24T09:00:00.123Z", "amount": {"currency": "CNY", "value": 19900}}')
