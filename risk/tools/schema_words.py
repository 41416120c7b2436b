"""What an editor says of each key of a rule file when one points at it.

Belongs here: one sentence a key. Never: which keys there are (the language's own tables say that).
"""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, str] = {
    "events": "Event types: their fields, types, provenance, and an example that tests start from.",
    "lists": "Named values, for `in @name`.",
    "macros": "Conditions with a name, used in other conditions.",
    "features": "Questions that profiles answer: counts, sums, distinct values over a window of time, per id.",
    "rules": "Conditions on an event, and what is done when they hold.",
    "segments": "Named conditions that overrides apply to.",
    "overrides": "Other parameters or another mode of a rule, for one entity or segment, until a date.",
    "policy": "How hits and the score become one action.",
    "model": "What the online model reads, and how it learns.",
    "duties": "What the law asks; rules name a duty by `duty:`.",
}
RULE: Mapping[str, str] = {
    "title": "What the rule finds, in one line.",
    "owner": "The team that answers for the rule. Needed when it is live or in shadow.",
    "severity": "How bad it is when the rule is right.",
    "event": "The event type, or types, that the rule looks at.",
    "mode": "draft: checked, not run. shadow: says only what it would do. live: acts. disabled: not run.",
    "params": "Every threshold an analyst may tune, written `$name` in the condition.",
    "when": "The condition, one term a line: `when: |`.",
    "then": "The action when the condition holds. Without it the rule only adds its score, obligations or report.",
    "unless_possible": "The action instead of a challenge where the customer cannot be asked.",
    "score": "Points when the condition holds; the points of all rules and of the model are added up.",
    "reasons": "Codes on the decision, such as CARD_TESTING.",
    "confidential": "true: reasons and message stay on the receipt, the decision says RISK_CHECK.",
    "obligations": "What has to be done besides: {do: DELAY_SETTLEMENT, hours: 24}.",
    "report": "A report to be made: STR (suspicious) or LVT (large value).",
    "message": 'A text for analysts with names in braces: "{card_tries_10m} tries". Never leaves the receipt.',
    "trust": "true: the rule clears the score's band and rules that are not final.",
    "rollout": "The share for which the rule acts, such as 25%; outside it runs as in shadow.",
    "rollout_by": "The field whose value decides who is inside the share.",
    "valid_from": "The rule is silent before this day (UTC).",
    "valid_until": "The rule is silent from this day on (UTC).",
    "review_by": "When the owner looks at the rule again.",
    "priority": "Within a group: the lower number wins.",
    "group": "Of the rules of a group only one acts; the policy says which.",
    "final": "true: not cleared by trust; no rollout, no overrides.",
    "on_missing": "What is done when the condition cannot be known: skip, fire (acts with `then`), or an action.",
    "accept_from": "From this day on the rule takes windows that are not full yet as they stand.",
    "control": "Whether a share of what the rule stops is let through, to learn from it: never, or a share.",
    "duty": "The obligation that the rule serves.",
    "references": "Where the rule comes from: typologies, articles of law.",
    "tags": "Free words to find rules by.",
    "tests": "Sequences of events and what is expected of the rule. A live rule needs one that fires and one that stays silent.",
}
CASE: Mapping[str, str] = {
    "it": "What the test shows, as a sentence.",
    "events": "The events in order. What is left out comes from the example of the event type.",
    "given": "Values of features, set directly instead of by events.",
    "expect": "Of the last event: fires, silent, unknown; silent_all: of all events. Or a mapping.",
    "todo": "A ticket: a known gap; the test does not fail, and is reported when it starts to hold.",
    "at": "When the test's clock starts. Default 2027-01-04T04:00:00Z.",
    "trusted": "true: a trust rule fires as well.",
    "overridden": "true: the overrides of the rule hold, whatever their date.",
}
STEP: Mapping[str, str] = {
    "event": "The event type. Default: that of the rule.",
    "repeat": "So many events; `{n}` in a text counts them from 1.",
    "every": "The time between them.",
    "after": "The time after the event before.",
    "at": "The event's own time.",
}
EXPECT: Mapping[str, str] = {
    "fires_on": "The numbers of all events that fire, from 1: [6].",
    "action": "The action of the decision with this rule alone.",
    "values": "Values of features at the last event.",
}
FEATURE: Mapping[str, str] = {
    "count": "How many events of this type.",
    "sum": "The sum of a field.",
    "avg": "The average of a field.",
    "min": "The smallest value of a field.",
    "max": "The largest value of a field.",
    "p95": "The value that 95% of a field's values stay under.",
    "distinct": "How many different values of a field.",
    "last": "The last value of a field.",
    "since_last": "The time since the last event of this type.",
    "since_first": "The time since the first event of this type.",
    "of": "The event type, or types, that are counted.",
    "per": "The field, or fields, that say whose profile: card.id, [payer.id, device.id].",
    "over": "How far back: 10m, 24h, 30d, calendar day in Asia/Shanghai, lifetime, or $setting of the policy.",
    "where": "Only events for which this condition holds.",
    "read_with": "The field of the deciding event that selects the profile, where its role differs from `per`.",
    "with_current": "true: the event that is decided counts too.",
    "counts": "attempts, or passed: only payments that were not refused, declined or taken back (for limits).",
    "ending": "The window ends so long before the event: 1d ago.",
    "if_none": "The value where nothing happened.",
    "about": "For people.",
}
LIST: Mapping[str, str] = {
    "of": "The type of the values: id card, country, text.",
    "values": "The values; an entry may say until when, why and by whom.",
    "source": "file, or topic: changed while it runs, on the topic of lists.",
    "review_by": "When the owner looks at the list again.",
}
"""Keys without a sentence are plain to see."""
