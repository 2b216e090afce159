"""Which colours the map can show for a session, and the colouring of a State by each."""

from __future__ import annotations

from anomaly_zoo.catalog import HANDLES
from anomaly_zoo.session import Session, State
from anomaly_zoo.ui import colours
from anomaly_zoo.ui.colours import Colouring

_MODEL = {
    "interest": "Interest",
    "uncertainty": "Uncertainty",
    "probability": "Probability of 4 or 5",
    "density": "Density",
    "rater": "Rater",
}
_COLUMN = "column:"


class Dyes:
    """What the map of a session can be coloured by: what the model says, and any column."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last: tuple[str, Colouring] | None = None
        own = [] if session.catalog is None else list(session.catalog.table.columns)
        self.choices = [{"value": v, "text": text, "group": ""} for v, text in _MODEL.items()]
        self.choices += [
            {"value": f"{_COLUMN}{name}", "text": name, "group": "Columns"}
            for name in own
            if name not in HANDLES
        ]

    def of(self, choice: str, state: State) -> Colouring:
        """The colouring of all objects by a choice; that of a column is made once."""
        match choice:
            case "interest":
                return colours.by_interest(state.posterior)
            case "uncertainty":
                return colours.by_uncertainty(state.posterior)
            case "probability":
                return colours.by_probability(state.p_interesting)
            case "rater":
                return self._by_rater(state)
        if not choice.startswith(_COLUMN) or self._session.catalog is None:
            return colours.by_density()
        if self._last is None or self._last[0] != choice:
            name = choice.removeprefix(_COLUMN)
            self._last = choice, colours.by_column(self._session.catalog.table[name], name)
        return self._last[1]

    def _by_rater(self, state: State) -> Colouring:
        pairs = [(id_str, rater) for id_str, by in state.opinions.scores.items() for rater in by]
        rows = self._session.representation.rows([id_str for id_str, _ in pairs])
        return colours.by_rater(rows, [rater for _, rater in pairs], len(self._session.space))
