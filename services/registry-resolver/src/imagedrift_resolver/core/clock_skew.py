"""Moments that others wrote down, by clocks that may be wrong.

A replica whose clock is ahead leaves answers and stops behind that would hold for as long after it
was set right. So what lies in the future by more than clocks may differ is not believed.
"""

from datetime import datetime
from typing import Final

MAY_DIFFER_S: Final = 60.0


def is_in_future(moment: datetime, now: datetime) -> bool:
    """Tell whether nobody can have written this moment down by a clock that was right."""
    return (moment - now).total_seconds() > MAY_DIFFER_S
