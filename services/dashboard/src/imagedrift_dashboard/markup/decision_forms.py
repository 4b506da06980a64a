"""The forms of deciders: about one image, and to take a decision back."""

from typing import Final

import htpy as h
from htpy import Node

from imagedrift_dashboard.core.decision import KINDS
from imagedrift_dashboard.markup.form_field import FORM_TOKEN

_FIELDS: Final = (
    ("value", "Value", "3d, minor, a digest"),
    ("until", "Until", "2026-12-24"),
    ("span", "Or for", "14d"),
    ("site", "Only site", "fra1"),
    ("place", "Only place", "fra1/rack-7"),
    ("label", "Only label", "env=prod"),
    ("reason", "Reason", "why"),
)


def decision_forms(reference: str, token: str) -> Node:
    """Write the form of one image, where there is one, and the form that takes back."""
    return [_decide(reference, token) if reference else None, _undo(token)]


def _decide(reference: str, token: str) -> Node:
    return h.section(aria_labelledby="decide-title")[
        h.h2("#decide-title")["Decide about it"],
        h.form(".filters", method="post", action="/decide")[
            h.input(type="hidden", name=FORM_TOKEN, value=token),
            h.input(type="hidden", name="reference", value=reference),
            h.label(for_="decide-kind")[
                h.span["Kind"],
                h.select("#decide-kind", name="kind")[(h.option(value=k)[k] for k in KINDS)],
            ],
            (_field("decide", *each) for each in _FIELDS),
            h.button(type="submit")["Decide"],
        ],
    ]


def _undo(token: str) -> Node:
    return h.section(aria_labelledby="undo-title")[
        h.h2("#undo-title")["Take a decision back"],
        h.form(".filters", method="post", action="/undo")[
            h.input(type="hidden", name=FORM_TOKEN, value=token),
            _field("undo", "decision_id", "Id of the decision", "17"),
            _field("undo", "reason", "Reason", "why"),
            h.button(type="submit")["Take back"],
        ],
    ]


def _field(form: str, name: str, label: str, example: str) -> Node:
    return h.label(for_=f"{form}-{name}")[
        h.span[label],
        h.input(id=f"{form}-{name}", name=name, placeholder=example, size="14"),
    ]
