"""Ordinary life, in scenes. Much of it looks like fraud: that is the point.

Belongs here: what honest people do. Never: a threshold of a rule. Each scene takes the stage and a time and says what
happens from then on; ``SCENES`` says how often each is played, as a share of all honest scenes.
"""

from __future__ import annotations

from collections.abc import Callable

from risk.world.clock import DAY, HOUR, MINUTE
from risk.world.people import Credit, Person, new_card, new_device, unusual_place
from risk.world.shops import Shop, price
from risk.world.stage import Stage

Scene = Callable[[Stage, int], None]
DECLINES = (*("insufficient_funds",) * 6, *("issuer_unavailable",) * 3, *("do_not_honor", "wrong_cvc") * 2, "limit_exceeded")
FRIENDS_MAX = 8
LOST_CARD = "lost_card"  # its owner reported it and then found it


def shopping(stage: Stage, at_ms: int) -> None:
    """One customer buys one thing; some look first, some log in first, a few are declined and try again."""
    rng, who, shop = stage.rng, stage.town.anybody(stage.rng), stage.market.any(stage.rng)
    device = who.tablet if who.tablet and rng.random() < 0.2 else who.device
    online = shop.trade.place in ("online", "live")
    if rng.random() < 0.22:
        if rng.random() < 0.06:
            stage.login(who, at_ms, device=device, ok=False)
            at_ms += stage.gap(4, 20)
        stage.login(who, at_ms, device=device)
        at_ms += stage.gap(2, 90)
    if online and rng.random() < 0.4:
        at_ms = _browse(stage, who, shop, at_ms)
    coupon = rng.choice(("SPRING", "FOLLOWER10", "WELCOME20")) if online and rng.random() < 0.12 else None
    first = stage.buy(who, shop, at_ms, device=device, coupon=coupon, discount=1000 if coupon else 0)
    if "card" in first.body and rng.random() < 0.035:
        first.outcome, first.reason = "declined", LOST_CARD if rng.random() < 0.04 else rng.choice(DECLINES)
        first.own_fault = first.reason == "issuer_unavailable" and rng.random() < 0.5
        again_ms = first.answered_ms + stage.gap(5, 60)
        if rng.random() < 0.7:
            other = rng.choice(who.cards) if rng.random() < 0.5 else None
            stage.buy(who, shop, again_ms, amount=first.body["amount"]["value"], device=device, card=other, coupon=coupon,
                      funding=None if other else "balance")


def _browse(stage: Stage, who: Person, shop: Shop, at_ms: int) -> int:
    rng = stage.rng
    for _ in range(rng.choice((1, 1, 2, 3))):
        live = shop.trade.place == "live"
        kind = "live_watch" if live and rng.random() < 0.7 else rng.choice(("view", "view", "view", "save", "search", "follow", "cart"))
        stage.watch(who, shop, at_ms, kind, int(rng.lognormvariate(10.0, 1.0)))
        at_ms += stage.gap(5, 120)
    return at_ms


def money_to_a_friend(stage: Stage, at_ms: int) -> None:
    """Rent, a shared dinner, pocket money: a transfer, mostly to one of a few people one knows."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    if len(who.friends) < 2 or rng.random() < 0.15:
        who.friends = [*who.friends[-FRIENDS_MAX:], stage.town.anybody(rng)]
    friend = rng.choice(who.friends)
    amount = round(rng.lognormvariate(9.6, 1.0) * who.wealth / 100) * 100 + 100
    if rng.random() < 0.12:
        amount = rng.choice((150_000, 220_000, 350_000, 480_000))  # the rent
    stage.send(who, friend.payee, at_ms, amount, same_name=friend.person == who.person)


def cash_out(stage: Stage, at_ms: int) -> None:
    """Somebody moves balance to the own bank account."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    if rng.random() < 0.4:
        stage.login(who, at_ms)
        at_ms += stage.gap(10, 120)
    stage.withdraw(who, at_ms, round(rng.lognormvariate(10.8, 0.9) * who.wealth / 100) * 100 + 1000)


def on_instalments(stage: Stage, at_ms: int) -> None:
    """A known customer buys on credit; those without a line pay at once."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    shop = stage.market.of(rng, "electronics", "phones", "apparel", "cosmetics", "household")
    amount = min(price(rng, shop.trade, who.wealth * 1.5) + 10_000, 2_000_000)
    if who.credit and who.credit.used + amount <= who.credit.limit:
        stage.borrow(who, shop, at_ms, amount)
    else:
        stage.buy(who, shop, at_ms, amount=amount)


def first_instalment_of_a_newcomer(stage: Stage, at_ms: int) -> None:
    """A genuine new customer came for one dear thing and takes nearly the whole line at once."""
    rng = stage.rng
    device = new_device(rng, at_ms - rng.randrange(1, 72) * HOUR)
    who = stage.town.join(rng, at_ms - int(rng.uniform(0.05, 6) * DAY), device)
    limit = rng.choice((200_000, 300_000, 500_000, 800_000))
    who.credit = Credit(f"len_{rng.randrange(1, 5)}", limit, 0, at_ms - int(rng.uniform(0.1, 30) * HOUR))
    if rng.random() < 0.25:  # bought in a shop's own tablet, or with a flatmate's phone
        device = stage.town.anybody(rng).device
    shop = stage.market.of(rng, "electronics", "phones", "apparel", "household")
    if rng.random() < 0.6:
        at_ms = _browse(stage, who, shop, at_ms)
    stage.borrow(who, shop, at_ms, int(limit * rng.uniform(0.45, 1.0)) // 100 * 100, device=device)


def newcomer(stage: Stage, at_ms: int) -> None:
    """Somebody registers, often invited, and buys something small with the welcome coupon."""
    rng = stage.rng
    device = new_device(rng, at_ms - rng.randrange(0, 3) * MINUTE)
    who = stage.town.join(rng, at_ms, device)
    stage.register(who, at_ms, inviter=stage.town.anybody(rng).id if rng.random() < 0.5 else None)
    at_ms += stage.gap(60, 900)
    stage.buy(who, stage.market.any(rng), at_ms, coupon="WELCOME20" if rng.random() < 0.7 else None, discount=2000)


def family_with_coupons(stage: Stage, at_ms: int) -> None:
    """Children and grandparents each open an account at the kitchen table and use the welcome coupon, with mother's card."""
    rng = stage.rng
    home = stage.town.family(rng, at_least=2)
    parent = home.members[0]
    device = parent.tablet or parent.device
    card = parent.cards[0] if parent.cards and rng.random() < 0.6 else None
    for _ in range(rng.choice((2, 2, 3, 3, 4))):
        who = stage.town.join(rng, at_ms - rng.randrange(0, 48) * HOUR, device, ip=parent.ip, address=home.address)
        stage.register(who, at_ms, device=device, inviter=parent.id)
        at_ms += stage.gap(120, 1200)
        shop = stage.market.of(rng, "apparel", "cosmetics", "books", "household")
        stage.buy(who, shop, at_ms, device=device, card=card, coupon="WELCOME20", discount=2000)
        at_ms += stage.gap(60, 600)


def club_collection(stage: Stage, at_ms: int) -> None:
    """A young club account collects for a trip from its members, and pays the organiser the same evening."""
    rng = stage.rng
    who = stage.town.join(rng, at_ms - int(rng.uniform(3, 85) * DAY), new_device(rng, at_ms - 90 * DAY))
    share, members = rng.choice((20_000, 30_000, 45_000, 68_000)), rng.randrange(5, 11)
    for _ in range(members):
        stage.send(stage.town.anybody(rng), who.payee, at_ms, share)
        at_ms += stage.gap(20, 400)
    at_ms += stage.gap(300, 5000)
    total, kept = share * members, rng.uniform(0.0, 0.35)
    if rng.random() < 0.75:
        stage.send(who, stage.town.anybody(rng).payee, at_ms, int(total * (1 - kept)) // 100 * 100, auth="A")
    else:
        stage.withdraw(who, at_ms, int(total * (1 - kept)) // 100 * 100)


def busy_stall(stage: Stage, at_ms: int) -> None:
    """Morning market: one printed code, many small payments of many people."""
    rng, stall = stage.rng, stage.market.of(stage.rng, "market")
    for _ in range(rng.randrange(3, 8)):
        stage.buy(stage.town.anybody(rng), stall, at_ms, remote=rng.random() < 0.015)
        at_ms += stage.gap(3, 60)


def new_phone(stage: Stage, at_ms: int) -> None:
    """A new phone, a forgotten password, and money needed soon after: what a thief would do too."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    who.device = new_device(rng, at_ms)
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        stage.login(who, at_ms, ok=False)
        at_ms += stage.gap(5, 30)
    stage.change(who, at_ms, rng.choice(("password", "password", "pay_password", "phone")))
    at_ms += stage.gap(10, 60)
    stage.login(who, at_ms)
    stage.change(who, at_ms, "device")
    at_ms += stage.gap(120, 3000)
    amount = round(rng.lognormvariate(11.3, 0.8) * who.wealth / 100) * 100 + 1000
    if rng.random() < 0.5:
        if rng.random() < 0.4:
            stage.change(who, at_ms, "payout_account")
            who.bank = f"{who.bank}b"[:20]
            at_ms += stage.gap(30, 120)
        stage.withdraw(who, at_ms, amount)
    elif rng.random() < 0.5:
        stage.send(who, stage.town.anybody(rng).payee, at_ms, amount)
    else:
        stage.buy(who, stage.market.any(rng), at_ms)


def shared_terminal(stage: Stage, at_ms: int) -> None:
    """A canteen's tablet: parents top up a few yuan each with their own cards; the connection is poor, some are declined."""
    rng = stage.rng
    shop, tablet = stage.market.of(rng, "transit", "games", "cafe"), new_device(rng, at_ms - 200 * DAY)
    for _ in range(rng.randrange(3, 7)):
        who = stage.town.anybody(rng)
        card = rng.choice(who.cards) if who.cards else new_card(rng)
        amount = rng.choice((200, 500, 500, 1000, 1000, 2000))
        for _ in range(3):
            declined = rng.random() < 0.3
            tried = stage.buy(who, shop, at_ms, amount=amount, device=tablet, card=card, outcome="declined" if declined else None,
                              reason=rng.choice(DECLINES) if declined else None)
            at_ms = tried.answered_ms + stage.gap(8, 60)
            if not declined:
                break


def tired_cards(stage: Stage, at_ms: int) -> None:
    """A traveller's cards are refused one after the other for a small fare, until one works."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    unusual_place(rng, who)
    cards = [*who.cards, new_card(rng), new_card(rng)]
    shop, amount = stage.market.of(rng, "transit", "cafe", "games"), rng.choice((300, 600, 900, 1000, 1800))
    for place, card in enumerate(cards):
        for _ in range(rng.choice((1, 2))):
            declined = place < len(cards) - 1
            tried = stage.buy(who, shop, at_ms, amount=amount, card=card, outcome="declined" if declined else None,
                              reason="foreign_use_blocked" if declined else None)
            at_ms = tried.answered_ms + stage.gap(10, 45)


def big_day(stage: Stage, at_ms: int) -> None:
    """A wedding, a move: several large payments in one afternoon, which come near the day's limit or over it."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    static = rng.random() < 0.35
    for _ in range(rng.randrange(3, 6)):
        if static:
            stage.buy(who, stage.market.of(rng, "market"), at_ms, amount=rng.randrange(6_000, 16_000), funding="balance")
        else:
            shop = stage.market.of(rng, "electronics", "household", "apparel")
            stage.buy(who, shop, at_ms, amount=rng.randrange(80_000, 160_000), funding="balance", auth="B")
        at_ms += stage.gap(60, 1500)


def trip(stage: Stage, at_ms: int) -> None:
    """People travel: the same phone and cards from another province or country; those who were away come home."""
    rng, who = stage.rng, stage.town.anybody(stage.rng)
    if who.abroad:
        who.abroad = None
    else:
        unusual_place(rng, who)
    for _ in range(rng.choice((1, 2))):
        stage.buy(who, stage.market.of(rng, "restaurant", "cafe", "transit", "apparel"), at_ms)
        at_ms += stage.gap(100, 3000)


SCENES: tuple[tuple[Scene, float], ...] = (
    (shopping, 0.732),
    (money_to_a_friend, 0.110),
    (cash_out, 0.045),
    (on_instalments, 0.060),
    (newcomer, 0.015),
    (first_instalment_of_a_newcomer, 0.004),
    (family_with_coupons, 0.0015),
    (club_collection, 0.0012),
    (busy_stall, 0.012),
    (new_phone, 0.003),
    (shared_terminal, 0.0012),
    (tired_cards, 0.0012),
    (big_day, 0.0025),
    (trip, 0.007),
)
