"""A short answer built only of sentences from the evidence, each with its citation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from app.rag.retrieval.cues import asked_for, ends_asking, tells
from app.rag.retrieval.passages import SNIPPET
from app.rag.retrieval.ranking import MESSAGE, Item
from app.rag.retrieval.words import STOP_WORDS, WORD, Word, fold, is_russian, stem

MOST_CITED = 3
MOST_SENTENCES = 4
LONGEST_SENTENCE = 320
ANSWER_LIMIT = 10_000
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=[^\Wa-zа-яё_]|[«\"“(–—-])|\n+")
LIST_MARK = re.compile(r"^(?:[-–—•*]|\d{1,2}[.)])\s+")
NEAR_THE_BEST = 0.8  # an item far behind the best one supports no sentence

# How much a sentence is worth, beside the share of the question's words that it has (0 to 1).
OF_THE_KIND = 0.6  # it has a sign of what is asked for: a date, an amount, a reason
ONE_MORE = 0.35  # lost by a second sentence: it must bring more than that
TOO_SHORT = (
    0.3  # lost under SHORT characters, or without a word but greetings and the question's own
)
SHORT = 25
ENOUGH = 2  # words that the question has not; a number is enough by itself
AS_GOOD = 0.5  # of the question's words that the first sentence has, a further one has this share
THE_SAME = 0.7  # of its words are already said

NOTHING = {
    True: "Недостаточно данных: {where} не нашлось ничего, что отвечает на этот вопрос.",
    False: "There is not enough evidence {where} to answer this question.",
}
# Where that is: in all of the project, or in what the filters leave of it.
WHERE = {
    (True, False): "в проекте",
    (True, True): "среди выбранных источников и дат",
    (False, False): "in this project",
    (False, True): "among the chosen sources and dates",
}
# What a source is called beside its title or its author: Russian, English.
SOURCES = {
    MESSAGE: ("сообщение", "message"),
    "linear_issue": ("задача", "issue"),
    "attio_opportunity": ("сделка", "deal"),
    "attio_note": ("заметка", "note"),
    "attio_account": ("компания", "company"),
    "attio_person": ("контакт", "person"),
}
COUNTED = (
    ("chunks", "фрагментов", "passage"),
    ("messages", "сообщений", "message"),
    ("issues", "задач", "issue"),
    ("opportunities", "сделок", "deal"),
)


@dataclass(frozen=True)
class Said:
    """A sentence or several in a row, of one item, and what it is worth as an answer."""

    text: str
    item: Item
    worth: float
    told: frozenset[str]  # stems of the question's words that it has
    kinds: float  # the share of the wanted kinds of answer that it has a sign of


def compose(
    question: str,
    items: list[Item],
    words: list[Word],
    stats: dict[str, int],
    filtered: bool = False,
) -> tuple[str, list[dict[str, Any]]]:
    """The answer's text and its citations. Without evidence it says so, and cites nothing."""
    if not items:
        return nothing_found(question, stats, filtered), []
    near = [i for i in items[:MOST_CITED] if i.relevance >= NEAR_THE_BEST * items[0].relevance]
    cited: list[Item] = []
    lines: list[str] = []
    for said in _chosen(question, near, words):
        if said.item not in cited:
            cited.append(said.item)
        lines.append(f"{said.text} [{cited.index(said.item) + 1}]")
    return with_sources(question, "\n".join(lines), cited, stats)


def nothing_found(question: str, stats: dict[str, int], filtered: bool) -> str:
    """That there is no answer, and how much there is that comes near to one."""
    russian = is_russian(question)
    nothing = NOTHING[russian].format(where=WHERE[russian, filtered])
    near = _counted({**stats, "chunks": 0}, russian)
    if not near:
        return nothing
    return f"{nothing} {'Ближайшее по теме' if russian else 'Nearest to it'}: {near}."


def with_sources(
    question: str, text: str, cited: list[Item], stats: dict[str, int]
) -> tuple[str, list[dict[str, Any]]]:
    """A text whose citations [1], [2] … are these items, with its sources and counts; the citations."""
    russian = is_russian(question)
    sources = "; ".join(f"[{n}] {source_label(item, russian)}" for n, item in enumerate(cited, 1))
    label = "Источники" if russian else "Sources"
    whole = "\n".join([text, f"{label}: {sources}.", _counts(stats, russian)]).rstrip()
    return whole[:ANSWER_LIMIT], [_citation(n, item) for n, item in enumerate(cited, 1)]


def source_label(item: Item, russian: bool) -> str:
    """What a source is, whose, and of when: задача «FLT-61 Маршруты», 02.10.2026; message from Tom
    Harding, 8 Sep 2026."""
    name = SOURCES.get(item.source_type, ("источник", "source"))[0 if russian else 1]
    title, author, moment = item.row["title"], item.row["author"], item.occurred_at
    day = (
        ""
        if moment is None
        else f"{moment:%d.%m.%Y}"
        if russian
        else f"{moment.day} {moment:%b %Y}"
    )
    if item.source_type != MESSAGE:
        named = (f" «{title}»" if russian else f' "{title}"') if title else ""
        return f"{name}{named}" + (f", {day}" if day else "")
    if russian:
        return f"{author or 'автор неизвестен'}, {name}" + (f" от {day}" if day else "")
    return f"{name} from {author or 'an unknown author'}" + (f", {day}" if day else "")


def sentences_of(passage: str) -> list[str]:
    """The sentences of a text, without the marks of a list; a line is one at least. What ends in a colon
    goes with what follows it."""
    found: list[str] = []
    for part in SENTENCE_END.split(passage):
        text = LIST_MARK.sub("", part.strip())
        if found and found[-1].endswith(":"):
            found[-1] += f" {text}"
        elif any(c.isalnum() for c in text):
            found.append(text)
    return found


def _chosen(question: str, items: list[Item], words: list[Word]) -> list[Said]:
    """The best of the best item, then what the others add to it, best first."""
    kinds = asked_for(question)
    best = [_best(item, words, kinds) for item in items]
    chosen = best[:1]
    for said in sorted(best[1:], key=lambda s: -s.worth):
        if len(chosen) < MOST_SENTENCES and _adds(said, chosen):
            chosen.append(said)
    return chosen


def _best(item: Item, words: list[Word], kinds: list[str]) -> Said:
    """The sentence that answers, or two in a row when the second has what the first lacks. Who asks does
    not answer."""
    sentences = sentences_of(item.passage) or [
        item.passage.strip() or str(item.row["title"] or "–")
    ]
    sentences = [s for s in sentences if not ends_asking(s)] or sentences
    spans = [" ".join(sentences[n : n + 2]) for n in range(len(sentences) - 1)]
    singles = [_said(text, item, words, kinds, 0) for text in sentences]
    pairs = [_said(text, item, words, kinds, 1) for text in spans]
    return max([*singles, *pairs], key=lambda said: said.worth)


def _said(text: str, item: Item, words: list[Word], kinds: list[str], more: int) -> Said:
    folded = fold(text)
    told = frozenset(w.stem for w in words if any(s in folded for s in w.stems))
    of_kind = tells(text, kinds)
    worth = len(told) / len(words) if words else 0.0
    worth += OF_THE_KIND * of_kind - ONE_MORE * more
    worth -= TOO_SHORT * (len(text) < SHORT or not _says_something(folded, words))
    cut = text if len(text) <= LONGEST_SENTENCE else text[: LONGEST_SENTENCE - 1].rstrip() + "…"
    return Said(cut, item, worth, told, of_kind)


def _says_something(folded: str, words: list[Word]) -> bool:
    """Whether there is more in it than what was asked: Нина Аркадьевна, здравствуйте."""
    asked = {s for word in words for s in word.stems}
    found = {
        word
        for word in WORD.findall(folded)
        if word not in STOP_WORDS and not any(s in word for s in asked)
    }
    return len(found) >= ENOUGH or any(word[0].isdigit() for word in found)


def _adds(said: Said, chosen: list[Said]) -> bool:
    """Something new that belongs to the question: a word of it not yet said, or one more answer of the
    kind that is asked for. What says the same in other words adds nothing."""
    own = _stems(said.text)
    already = frozenset[str]().union(*(_stems(other.text) for other in chosen))
    if not own or len(own & already) >= THE_SAME * len(own):
        return False
    first = chosen[0]
    enough = max(1, AS_GOOD * len(first.told)) if said.kinds <= first.kinds else 1
    if said.worth < first.worth and len(said.told) < enough:
        return False  # a date or a reason of something else
    new_words = said.told - frozenset[str]().union(*(other.told for other in chosen))
    return bool(new_words) or said.kinds > 0 or said.worth >= first.worth


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(fold(word)) for word in WORD.findall(text))


def _citation(number: int, item: Item) -> dict[str, Any]:
    return {
        "number": number,
        "source_url": item.row["source_url"],
        "source_system": "chatwoot"
        if item.source_type == MESSAGE
        else item.source_type.split("_")[0],
        "source_type": item.source_type,
        "document_ref": item.source_pk,
        "title": item.row["title"],
        "snippet": item.passage[:SNIPPET],
        "author": item.row["author"],
        "created_at": item.occurred_at,
        "score": item.score,
    }


def _counts(stats: dict[str, int], russian: bool) -> str:
    counted = _counted(stats, russian)
    return f"{'Найдено' if russian else 'Found'}: {counted}." if counted else ""


def _counted(stats: dict[str, int], russian: bool) -> str:
    """How much there is of what there is any of."""
    return ", ".join(
        f"{ru} {stats[name]}" if russian else f"{stats[name]} {en}{'s' * (stats[name] != 1)}"
        for name, ru, en in COUNTED
        if stats[name]
    )
