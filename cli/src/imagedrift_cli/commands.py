"""The commands of `imagedrift`, in the order in which they are listed, and where each stands."""

from typing import Final

from imagedrift_cli.lazy import Command

COMMANDS: Final = {
    "demo": Command(
        "imagedrift_cli.demo:demo",
        "Show the whole system at work on this machine.",
        extra=("sandbox",),
    ),
    "up": Command(
        "imagedrift_cli.up:up",
        "Watch this machine's Docker Engine, until Ctrl-C.",
        extra=("sandbox",),
    ),
    "down": Command("imagedrift_cli.down:down", "End what `up` started.", extra=("sandbox",)),
    "scan": Command("imagedrift_cli.scan:scan", "Judge the images of this host now."),
    "status": Command(
        "imagedrift_cli.operator:status", "How the fleet is: hosts, images, verdicts."
    ),
    "outdated": Command(
        "imagedrift_cli.operator:outdated", "Which hosts run an image that was since replaced."
    ),
    "versions": Command(
        "imagedrift_cli.versions:versions", "Newer versions of the images of hosts."
    ),
    "due": Command("imagedrift_cli.due:due", "Outdated images that have to be updated now."),
    "decisions": Command("imagedrift_cli.due:decisions", "Who put off which images, and why."),
    "decide": Command("imagedrift_cli.decide:decide", "Put an image off, or say when it is due."),
    "undo": Command("imagedrift_cli.decide:undo", "Take a decision back."),
    "plan": Command("imagedrift_cli.plan:plan", "Which hosts get which digest, in which ring."),
    "plans": Command("imagedrift_cli.plan:plans", "Saved plans, and how far their hosts are."),
    "notify": Command(
        "imagedrift_cli.notify:notify",
        "Routes of messages to people: check, test, try out.",
    ),
    "unknown": Command("imagedrift_cli.operator:unknown", "Images without a known verdict."),
    "images": Command(
        "imagedrift_cli.operator:images", "Every image, those to roll out first at the top."
    ),
    "image": Command("imagedrift_cli.operator:image", "One image: its digest now, and its hosts."),
    "hosts": Command("imagedrift_cli.hosts:hosts", "Every host, those that need help first."),
    "host": Command("imagedrift_cli.hosts:host", "The images of one host."),
    "registries": Command(
        "imagedrift_cli.operator:registries", "The limits of each registry, and what is left."
    ),
    "errors": Command(
        "imagedrift_cli.operator:errors", "References whose last check failed, and why."
    ),
    "why": Command("imagedrift_cli.hosts:why", "The facts behind one verdict."),
    "history": Command("imagedrift_cli.hosts:history", "The changes of a host or of a tag."),
    "dead-letters": Command(
        "imagedrift_cli.letters:dead_letters", "Messages that were refused, and why."
    ),
    "watch": Command("imagedrift_cli.watch:watch", "Follow verdicts as they change, until Ctrl-C."),
    "open": Command("imagedrift_cli.open_page:open_page", "The web page of a host or an image."),
    "top": Command("imagedrift_cli.top:top", "The rates and queues of the system, until Ctrl-C."),
    "check": Command("imagedrift_cli.check:check", "Ask registries again now."),
    "forget": Command("imagedrift_cli.forget:forget", "Retire a host that is gone for good."),
    "completion": Command(
        "imagedrift_cli.completion:completion", "Let a shell complete the command."
    ),
    "migrate": Command("imagedrift_cli.deploy:migrate", "Bring the database to the newest schema."),
    "streams": Command(
        "imagedrift_cli.deploy:make_streams", "Create or update the streams and consumers of NATS."
    ),
    "maintain": Command(
        "imagedrift_cli.maintenance:maintain", "Do all maintenance of the database now."
    ),
    "rebuild": Command(
        "imagedrift_cli.maintenance:rebuild", "Fill the database from the streams of NATS."
    ),
    "bench": Command("imagedrift_bench:bench", "Measure this machine.", extra=("sandbox", "bench")),
}
