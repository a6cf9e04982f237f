"""What the network recognises in the camera's image: its strongest classes, which change at leisure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from livedream.curves import decay
from livedream.dream.targets import Words, shared

#: The camera's image is looked at this often; a look costs as much as one step at full size.
LOOK_EVERY_S = 1.0
#: Half-life of what was recognised before.
_MEMORY_S = 2.0
#: What is dreamt stays so for this long at least, and until something else is as much likelier.
_HOLD_S = 6.0
_LIKELIER = 1.3
#: What is dreamt is worn after a while: half-life of what is left of its weight, and of getting it back.
_WORN_S = 30.0
#: As many of the likeliest classes are asked for at each look.
ASKED = 12
#: As many classes are dreamt at once, and named.
_DREAMT, _NAMED = 2, 3
#: Nobody should be told by a mirror that this is what it sees in them: it guesses, and often wrongly.
UNSAID = frozenset(
    [
        *("orangutan", "gorilla", "chimpanzee", "gibbon", "siamang", "guenon", "patas", "baboon", "macaque"),
        *("langur", "colobus", "proboscis monkey", "marmoset", "capuchin", "howler monkey", "titi", "indri"),
        *("spider monkey", "squirrel monkey", "Madagascar cat", "pig", "wild boar", "warthog", "ox"),
        *(
            "hippopotamus",
            "nipple",
            "brassiere",
            "bikini",
            "maillot",
            "swimsuit",
            "swimming trunks",
            "diaper",
        ),
        *("miniskirt", "toilet seat", "toilet paper", "assault rifle", "rifle", "revolver", "guillotine"),
        *("bulletproof vest", "prison"),
    ]
)


class Recogniser:
    """Chooses what to dream from what is recognised. Times are ``now_s``, in seconds of one clock.

    Classes that would insult or embarrass a visitor are neither named nor dreamt.
    """

    def __init__(self) -> None:
        #: What to dream of; nothing before the first look.
        self.words: Words = ()
        self._likely: dict[str, float] = {}
        self._fresh: dict[str, float] = {}  # what is left of the weight of classes that have been dreamt
        self._looked_s: float | None = None
        self._chosen_s = 0.0

    @property
    def seen(self) -> tuple[tuple[str, float], ...]:
        """The likeliest classes of the last seconds with their probabilities (0..1), the best first."""
        return tuple(_best(self._likely, _NAMED))

    def due(self, now_s: float) -> bool:
        """Whether it is time for another look."""
        return self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S

    def look(self, found: Iterable[tuple[str, float]], now_s: float) -> None:
        """Take in the classes that were recognised at ``now_s``, with their probabilities."""
        elapsed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        kept = 0.0 if self._looked_s is None else decay(_MEMORY_S, elapsed_s)
        self._looked_s = now_s
        self._wear(decay(_WORN_S, elapsed_s))
        likely = {word: kept * share for word, share in self._likely.items()}
        for word, share in ((word, share) for word, share in found if word not in UNSAID):
            likely[word] = likely.get(word, 0.0) + (1 - kept) * share
        self._likely = {word: share for word, share in likely.items() if share > 1e-3}
        worth = {word: share * self._fresh.get(word, 1.0) for word, share in self._likely.items()}
        best = dict(_best(worth, _DREAMT))
        held = sum(worth.get(word, 0.0) for word, _ in self.words)
        if not best or {word for word, _ in self.words} == best.keys():
            return
        patient = self.words and now_s - self._chosen_s < _HOLD_S
        if not patient and sum(best.values()) > _LIKELIER * held * bool(self.words):
            self.words, self._chosen_s = shared(best), now_s

    def _wear(self, kept: float) -> None:
        dreamt = {word for word, _ in self.words}
        fresh = {word: 1 - (1 - left) * kept for word, left in self._fresh.items() if word not in dreamt}
        fresh |= {word: self._fresh.get(word, 1.0) * kept for word in dreamt}
        self._fresh = {word: left for word, left in fresh.items() if left < 0.99}


def _best(shares: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda pair: -pair[1])[:count]
