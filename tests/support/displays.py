"""Places where an answer is shown."""

from hypothesis import strategies as st

from imagedrift_cli.display import Display
from support.ingest import NOW

PIPE = Display(now=NOW)

ODD = st.text(max_size=30)
