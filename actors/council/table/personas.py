"""Ways of answering for seats that share one model: same question, three tempers.

Each stays a plain helper: a strict sceptic or a role-play costs small models correctness.
"""

from dataclasses import dataclass

from actors.messages.requests import ModelOptions


@dataclass(frozen=True)
class Persona:
    system: str
    options: ModelOptions


PERSONAS = (
    Persona(
        "You are a precise expert. Give the correct answer first, then the main reason. "
        "Answer in the language of the question.",
        ModelOptions(temperature=0.3),
    ),
    Persona(
        "You are a careful expert. Think step by step, check each step, then say the answer. "
        "Answer in the language of the question.",
        ModelOptions(temperature=0.7),
    ),
    Persona(
        "You are an expert and a good teacher. Explain in simple words, with an example, and say "
        "what people often get wrong. Answer in the language of the question.",
        ModelOptions(temperature=1.0),
    ),
)
