"""The words of a question, as the keyword leg looks for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from snowballstemmer import stemmer

from app.rag.retrieval.letters import other_letters

GLOSSARY = Path(__file__).with_name("glossary.txt")
MOST_WORDS = 8
ENOUGH_WORDS = 2  # that tell something: light words are left out beside them
SHORTEST = 3
SHORTEST_PART = 5
WORD = re.compile(r"[^\W_]+(?:[_\-.][^\W_]+)*")
CYRILLIC = re.compile("[а-я]")
_russian = stemmer("russian")
_english = stemmer("english")

# Words that stand in half of all messages and tell nothing about the question.
STOP_WORDS = frozenset(
    """
    и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот
    от меня еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять
    уж вам ведь там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без
    будто чего раз тоже себе под будет ж тогда кто этот того потому этого какой совсем ним здесь этом один
    почти мой тем чтобы нее кажется сейчас были куда зачем всех можно при наконец два об другой хоть после
    над больше тот через эти нас про них какая много разве три эту моя впрочем хорошо свою этой перед иногда
    лучше чуть том нельзя такой им более всегда конечно всю между почему сколько какие какую каком каким какие
    который которая которые это наш наша наши нам ваш ваша ваши
    the a an and or but if of to in on at by for with about from as is are was were be been being do does did
    have has had having i you he she it we they me him her us them my your his its our their this that these
    those what which who whom whose when where why how all any both each few more most other some such no nor
    not only own same so than too very can will just should would could may might must shall there here then
    """.split()  # noqa: SIM905 - a list of words reads best as words
)

# Words that any question may have, whatever it is about: where others stand beside them they are left out.
# In a project that writes the other language they would be the rarest words, and weigh the most.
LIGHT_WORDS = frozenset(
    """
    get gets got getting give gives gave given make makes made making take takes took taken put puts
    let go goes went going gone come comes came coming say says said tell tells told ask asks asked
    see sees saw seen know knows knew want wants wanted need needs needed use uses used find finds
    found think thought look looks keep keeps kept try tries tried happen happens happened become
    became show shows showed shown still also just now yet already again ever exactly really
    actually currently back around without within during since until per via else every much many
    lot way thing things something anything everything someone anyone
    сказать сказал сказала сказали скажем говорит говорил говорила говорили говорят делать делает
    делаем делают делал делали сделать сделал сделала сделали сделаем дать дал дала дали дает дают
    даем взять взял взяла взяли стать стал стала стали стало идти идет идут пошло пойдет нужно нужен
    нужна нужны должен должна должны можем могут может смогли хотим хочет хотят хотел хотела хотели
    просит просил просила просили знает знаем думает думаем видит видели смотрели пришлось
    происходит произошло случилось оказалось получилось вообще именно просто очень также еще уже
    снова сразу сначала затем после между вместо кроме около среди насчет
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Word:
    """A word of the question, and words that mean the same in the other language."""

    text: str
    stem: str
    also: tuple[str, ...] = ()
    # A name of something or somebody, by how it is written: whoever asks about it expects it to be there.
    name: bool = False

    @property
    def forms(self) -> tuple[str, ...]:
        return (self.text, *self.also)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """What stands in a text wherever a form or an inflection of it stands."""
        return (self.stem, *(stem(form) for form in self.also))

    @property
    def pattern(self) -> str | None:
        """How to find it as typed, when full text would take it apart: identifiers and numbers. What is
        too short for a trigram would be looked for in every row; full text has it as it is."""
        if self.text.isalpha() or len(self.text) < 3:
            return None
        return f"%{escaped(self.text)}%"

    @property
    def part_patterns(self) -> tuple[str, ...]:
        """How to find it inside longer words: оплат in предоплата. Too short a stem stands everywhere."""
        stems = [s for s in self.stems if len(s) >= SHORTEST_PART and s.isalpha()]
        if self.name and self.stem.isalpha() and len(self.stem) >= 4:
            stems.append(other_letters(self.stem))  # of Грета in any case, as Greta's begins
        return tuple(f"%{escaped(s)}%" for s in dict.fromkeys(stems))


def escaped(text: str) -> str:
    """Text that means only itself in a LIKE pattern."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def fold(text: str) -> str:
    """Text as the search column holds it: one form of each letter, lower case, ё as е."""
    return unicodedata.normalize("NFKC", text).lower().replace("ё", "е")


def words_of(question: str) -> list[Word]:
    """The words worth looking for, in their order, each stem once. None means: do not look at all."""
    found: dict[str, Word] = {}
    light: dict[str, Word] = {}
    given = unicodedata.normalize("NFKC", question[:4000])
    russian = is_russian(given)
    for raw, first in _raw_words(given):
        text = fold(raw)
        if text in STOP_WORDS or (len(text) < SHORTEST and not _telling(raw)):
            continue
        root = stem(text)
        name = _is_name(raw, first, russian)
        also = set(in_other_language(root)) | ({other_letters(text)} if name else set())
        word = Word(text, root, tuple(sorted(also - {text})), name)
        (light if text in LIGHT_WORDS else found).setdefault(word.stem, word)
        if len(found) == MOST_WORDS:
            break
    return list((found if len(found) >= ENOUGH_WORDS else found | light).values())[:MOST_WORDS]


def _raw_words(text: str) -> Iterator[tuple[str, bool]]:
    """Words as they are written, and whether each begins the text. What is joined by hyphens is taken
    apart (gluten-free, Enterprise-тариф), unless it is written like a name (KIT-71, React-Native)."""
    for match in WORD.finditer(text):
        raw, first = match.group(), match.start() == 0
        parts = raw.split("-")
        joined = parts[-1].islower() and all(part.isalpha() for part in parts)
        for part in parts if joined else [raw]:
            yield part, first


@lru_cache(maxsize=8192)
def stem(text: str) -> str:
    """What stays of a word in all its forms. Identifiers and numbers stay whole."""
    if not text.isalpha():
        return text
    russian = bool(CYRILLIC.search(text))
    cut: str = (_russian if russian else _english).stemWord(text)
    if not russian and cut.endswith("i"):
        cut = cut[:-1]  # deliver(y), deliver(ies): the stemmer's own i stands in neither
    return cut if text.startswith(cut) and len(cut) >= SHORTEST else text[: max(SHORTEST, len(cut))]


def in_other_language(root: str) -> tuple[str, ...]:
    """What the word with this stem is called in the other language; often nothing."""
    return tuple(sorted(set(_glossary().get(root, "").split())))


@cache
def _glossary() -> dict[str, str]:
    """By stem: words of the other language, from `glossary.txt` beside this file. A row of words takes a
    third of the memory that a set of them does."""
    found: dict[str, str] = {}
    with GLOSSARY.open() as lines:
        for line in lines:
            english, separator, russian = line.partition("=")
            if not separator or line.startswith("#"):
                continue
            for own, other in ((english, russian), (russian, english)):
                # Past the memory of `stem`, which is for the words that people use.
                for root in {stem.__wrapped__(word) for word in own.split()}:
                    found[root] = (
                        f"{found[root]} {other.strip()}" if root in found else other.strip()
                    )
    return found


def _is_name(raw: str, first: bool, russian: bool) -> bool:
    """Identifiers, abbreviations, capitals within the sentence, and Latin letters in a Russian one."""
    if not raw.isalpha() or (len(raw) > 1 and raw.isupper()):
        return True
    return (raw[0].isupper() and not first) or (russian and raw.isascii())


def _telling(raw: str) -> bool:
    """Short but meant: `v2`, `QA`, `1С`."""
    return any(c.isdigit() for c in raw) or (len(raw) > 1 and raw.isupper())


def is_russian(text: str) -> bool:
    """Which language to answer in: the one that most letters of the question belong to."""
    letters = [c for c in text.lower() if c.isalpha()]
    return sum("а" <= c <= "я" or c == "ё" for c in letters) * 2 >= len(letters) > 0
