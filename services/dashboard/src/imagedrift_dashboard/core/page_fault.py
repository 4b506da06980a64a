"""The end of a request that gets no page: a status, what was wrong, and what to do."""


class PageFault(Exception):
    """A request cannot be answered. Its texts are for whoever reads the page."""

    def __init__(self, status: int, wrong: str, advice: str) -> None:
        super().__init__(f"{status}: {wrong}")
        self.status = status
        self.wrong = wrong
        self.advice = advice
