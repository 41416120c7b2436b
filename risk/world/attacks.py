"""The attackers: one function for each attack, in several styles.

Belongs here: how fraud is done, in acts of the same stage that honest people use. Never: a threshold of a rule, or a mark
in a message. ``style``: *blatant* hurries and reuses; *careful* keeps numbers low and spreads; *slow* waits between acts,
in real time, not squeezed; *clean* has an aged account or an honest-looking device.
"""

from __future__ import annotations

from collections.abc import Callable

from risk.world.clock import DAY, HOUR, MINUTE, SECOND
from risk.world.people import Credit, Device, Person, foreign_ip, home_ip, mobile_ip, new_card, new_device
from risk.world.stage import Stage, unseen_ids

Attack = Callable[[Stage, int, str], None]
REFUSALS = ("lost_card", "wrong_cvc", "wrong_cvc", "do_not_honor", "insufficient_funds")
STYLES = {"blatant": 0.45, "careful": 0.25, "slow": 0.12, "clean": 0.18}


def card_testing(stage: Stage, at_ms: int, style: str) -> None:
    """Stolen cards are tried with tiny amounts, until the issuer says which still work; then one is used."""
    rng = stage.rng
    clean = style == "clean"
    age_days = rng.uniform(190, 700) if clean else rng.uniform(0.01, 25)
    who = stage.town.join(rng, at_ms - int(age_days * DAY), _burner(stage, at_ms, clean))
    shop = stage.market.of(rng, "games", "gift_cards", "transit", "books")
    cards = rng.randrange(3, 5) if style == "careful" else rng.randrange(5, 10)
    best = None
    for number in range(cards):
        card = new_card(rng, rng.choice(("CN", "CN", "US", "BR")))
        if style == "careful" and number % 2:
            who.device = _burner(stage, at_ms, clean)
        for _ in range(rng.choice((1, 1, 2))):
            refused = rng.random() < (0.5 if style == "careful" else 0.72)
            tried = stage.buy(who, shop, at_ms, amount=_tiny(stage, style), card=card, ip=foreign_ip(rng) if rng.random() < 0.5 else None,
                              dwell_ms=rng.randrange(200, 3000), outcome="declined" if refused else None,
                              reason=rng.choice(REFUSALS) if refused else None)
            at_ms = tried.answered_ms + _pause(stage, style, 4, 40, 150, 400)
            if not refused:
                best = card
                break
    if best is not None:
        stage.buy(who, stage.market.of(rng, "electronics", "gift_cards"), at_ms, amount=rng.randrange(60_000, 480_000), card=best)


def account_takeover(stage: Stage, at_ms: int, style: str) -> None:
    """A thief guesses or phishes a password, locks the owner out and empties the wallet into a stranger's bank account."""
    rng, victim = stage.rng, stage.town.anybody(stage.rng)
    clean = style == "clean"
    thief = _burner(stage, at_ms, clean)
    ip = home_ip(rng) if clean else foreign_ip(rng) if rng.random() < 0.4 else mobile_ip(rng)
    for _ in range(0 if clean else rng.randrange(0, 7)):
        stage.login(victim, at_ms, device=thief, ip=ip, ok=False)
        at_ms += stage.gap(3, 20)
    stage.login(victim, at_ms, device=thief, ip=ip)
    at_ms += _pause(stage, style, 20, 120, 600, 3000)
    if rng.random() < 0.9:
        stage.change(victim, at_ms, rng.choice(("password", "pay_password", "phone", "email")))
        at_ms += _pause(stage, style, 20, 200, 600, 7000)
    if rng.random() < 0.4:
        stage.change(victim, at_ms, "payout_account")
        at_ms += stage.gap(10, 60)
    loot = int(rng.uniform(0.6, 0.95) * rng.lognormvariate(13.0, 0.7))
    parts = rng.randrange(3, 6) if style == "careful" else rng.choice((1, 1, 2))
    bank, owner = unseen_ids(rng, "bank"), unseen_ids(rng, "prs")
    receiver = stage.town.join(rng, at_ms - rng.randrange(3, 90) * DAY, new_device(rng, at_ms - 10 * DAY))
    for _ in range(parts):
        amount = max(1000, min(loot // parts, 90_000 if style == "careful" else 1_900_000) // 100 * 100)
        if rng.random() < 0.72:
            stage.withdraw(victim, at_ms, amount, bank=bank, owner=owner, device=thief, ip=ip)
        elif rng.random() < 0.5:
            stage.send(victim, receiver.payee, at_ms, amount, device=thief, ip=ip)
        else:
            shop = stage.market.of(rng, "gift_cards")
            stage.buy(victim, shop, at_ms, amount=amount, device=thief, ip=ip, funding="balance", dwell_ms=rng.randrange(300, 4000))
        at_ms += _pause(stage, style, 15, 120, 600, 7000)


def promo_ring(stage: Stage, at_ms: int, style: str) -> None:
    """One person opens accounts in a row, each for the welcome coupon, and sends the goods to a few addresses."""
    rng = stage.rng
    farm = _burner(stage, at_ms, style == "clean", ("emulator",))
    addresses = [unseen_ids(rng, "adr") for _ in range(1 if style == "blatant" else 3)]
    card, inviter, ip = new_card(rng), None, mobile_ip(rng)
    members: list[Person] = []
    for number in range(rng.randrange(11, 15) if rng.random() < 0.15 else rng.randrange(4, 8)):
        device = farm if style in ("blatant", "slow") or number % 3 == 0 else _burner(stage, at_ms, style == "clean")
        age_ms = int(rng.uniform(8, 20) * DAY) if style == "clean" and rng.random() < 0.5 else rng.randrange(10 * MINUTE)
        who = stage.town.join(rng, at_ms - age_ms, device, ip=ip, address=rng.choice(addresses))
        stage.register(who, at_ms, inviter=inviter)
        inviter = inviter or who.id
        at_ms += _pause(stage, style, 20, 200, 300, 900)
        shop = stage.market.of(rng, "apparel", "cosmetics", "household")
        stage.buy(who, shop, at_ms, amount=rng.randrange(100, 2500), card=card if rng.random() < 0.6 else who.cards[0],
                  coupon="WELCOME20", discount=2000, dwell_ms=rng.randrange(200, 5000))
        at_ms += _pause(stage, style, 20, 200, 1800, 20_000)
        members.append(who)
    if len(members) > 10 and rng.random() < 0.6:  # the large rings also got red packets; one of them gathers the money
        for who in members[1:]:
            stage.send(who, members[0].payee, at_ms, rng.randrange(500, 2000), device=farm)
            at_ms += stage.gap(5, 60)
        stage.withdraw(members[0], at_ms, 1000 * len(members), device=farm)


def mule(stage: Stage, at_ms: int, style: str) -> None:
    """Victims of a scam send money to a rented account, which passes it on within minutes."""
    rng = stage.rng
    clean = style == "clean"
    age_days = rng.uniform(95, 500) if clean else rng.uniform(1, 85)
    who = stage.town.join(rng, at_ms - int(age_days * DAY), _burner(stage, at_ms, clean))
    collected = 0
    for _ in range(rng.randrange(3, 5) if style == "careful" else rng.randrange(5, 9)):
        victim = stage.town.anybody(rng)
        amount = rng.choice((50_000, 80_000, 100_000, 198_800, 300_000, 500_000))
        collected += amount
        stage.send(victim, who.payee, at_ms, amount, auth="A")
        at_ms += _pause(stage, style, 20, 600, 600, 5000)
    left = int(collected * rng.uniform(0.84, 0.99))
    at_ms += _pause(stage, style, 20, 600, 3600, 26_000)
    parts = rng.randrange(1, 4)
    next_hop = stage.town.join(rng, at_ms - rng.randrange(1, 60) * DAY, new_device(rng, at_ms - 5 * DAY))
    for number in range(parts):
        amount = max(100, left // parts // 100 * 100)
        if rng.random() < 0.65:
            stage.send(who, next_hop.payee, at_ms, amount, auth="A")
        else:
            stage.withdraw(who, at_ms, amount)
        at_ms += _pause(stage, style, 20, 120, 600, 3000)
        if number == 0 and style == "careful":
            left = int(left * 0.7)  # leaves a rest, so that the share passed on stays low


def instalment_first_order(stage: Stage, at_ms: int, style: str) -> None:
    """Stolen or rented identities open a line of credit and spend it at once on what sells well; nobody will pay the terms."""
    rng = stage.rng
    farm = _burner(stage, at_ms, style == "clean")
    drop = unseen_ids(rng, "adr")
    for _ in range(rng.randrange(2, 5)):
        old = style in ("clean", "slow")
        opened_ms = at_ms - int((rng.uniform(8, 40) if old else rng.uniform(0.02, 5)) * DAY)
        who = stage.town.join(rng, opened_ms, farm if style == "blatant" or rng.random() < 0.4 else _burner(stage, at_ms, True))
        limit = rng.choice((200_000, 300_000, 500_000, 800_000))
        who.credit = Credit(f"len_{rng.randrange(1, 5)}", limit, 0, at_ms - int(rng.uniform(0.05, 60 if old else 20) * HOUR))
        share = rng.uniform(0.5, 0.85) if style == "careful" else rng.uniform(0.9, 1.0)
        shop = stage.market.of(rng, "electronics", "phones", "gold", "gift_cards", "apparel")
        stage.borrow(who, shop, at_ms, int(limit * share) // 100 * 100, address=drop if rng.random() < 0.6 else None,
                     dwell_ms=rng.randrange(300, 9000))
        at_ms += _pause(stage, style, 60, 900, 3600, 40_000)


def limit_evasion(stage: Stage, at_ms: int, style: str) -> None:
    """Somebody pays past a statutory day limit: many payments at one moment, a printed code, or a second account."""
    rng = stage.rng
    who = stage.town.anybody(rng)
    static = rng.random() < 0.5
    second = _second_account(stage, who, at_ms) if style in ("careful", "clean") else None
    stall = stage.market.of(rng, "market")
    for number in range(rng.randrange(4, 7) if style == "careful" else rng.randrange(5, 10)):
        payer = second if second is not None and number % 2 else who
        if static:
            stage.buy(payer, stall, at_ms, amount=rng.randrange(7_000, 18_000), funding="balance", remote=style == "blatant" and number > 1)
        else:
            shop = stage.market.of(rng, "electronics", "gift_cards", "gold")
            stage.buy(payer, shop, at_ms, amount=rng.randrange(70_000, 180_000), funding="balance", auth="B")
        # Blatant: all within a few milliseconds, in the hope that each is checked before any is counted.
        at_ms += rng.randrange(0, 8) if style == "blatant" else _pause(stage, style, 5, 120, 900, 9000)


# How often each comes in one round of attacks: those of few payments twice.
A_ROUND = ("card_testing", "account_takeover", "account_takeover", "promo_ring", "mule", "instalment_first_order", "limit_evasion")
ATTACKS: dict[str, Attack] = {
    "card_testing": card_testing,
    "account_takeover": account_takeover,
    "promo_ring": promo_ring,
    "mule": mule,
    "instalment_first_order": instalment_first_order,
    "limit_evasion": limit_evasion,
}


def _pause(stage: Stage, style: str, low_s: float, high_s: float, slow_low_s: float, slow_high_s: float) -> int:
    if style == "slow":
        return int(stage.rng.uniform(slow_low_s, slow_high_s) * SECOND)
    return stage.gap(low_s, high_s)


def _tiny(stage: Stage, style: str) -> int:
    rng = stage.rng
    return rng.randrange(800, 2_600) if style == "careful" else rng.choice((100, 100, 100, 190, 500, 990, rng.randrange(100, 1000)))


def _burner(stage: Stage, at_ms: int, aged: bool, flags: tuple[str, ...] = ("rooted",)) -> Device:
    rng = stage.rng
    if aged:
        return new_device(rng, at_ms - int(rng.uniform(20, 400) * DAY))
    return new_device(rng, at_ms - int(rng.uniform(0, 40) * HOUR), flags if rng.random() < 0.45 else ())


def _second_account(stage: Stage, who: Person, at_ms: int) -> Person:
    """Another account of the same holder, on the same phone."""
    twin = stage.town.join(stage.rng, at_ms - stage.rng.randrange(20, 300) * DAY, who.device, ip=who.ip, address=who.address)
    twin.person = who.person
    return twin
