"""The channel of each route: the files of its address and keys, and what carries its messages."""

from imagedrift_notifier.adapters import secret_files, webhook
from imagedrift_notifier.adapters.apprise_process import AppriseSender
from imagedrift_notifier.adapters.secret_files import SecretUnreadable
from imagedrift_notifier.adapters.webhook import WebhookSender
from imagedrift_notifier.core import signature
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Failed, SendOutcome
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_runtime.clock import Clock


class Channels:
    """Sends a message by the channel of its route."""

    def __init__(self, clock: Clock) -> None:
        self._webhook = WebhookSender(clock)
        self._apprise = AppriseSender()

    async def send(self, route: MessageRoute, message: OutboundMessage) -> SendOutcome:
        """Send a message, and return the outcome; it never raises."""
        try:
            address = secret_files.read(route.address_key, route.address_file)
            if route.channel == "webhook":
                return await self._webhook.post(address, _keys(route), message)
        except SecretUnreadable as error:
            return Failed(str(error))
        return await self._apprise.send(address, message)


def route_faults(route: MessageRoute) -> list[str]:
    """List the faults of a route's files; nothing of their content is told."""
    try:
        address = secret_files.read(route.address_key, route.address_file)
        if route.channel == "webhook":
            _keys(route)
            fault = webhook.address_fault(address)
        else:
            from imagedrift_notifier.adapters import apprise_channel  # noqa: PLC0415 - memory

            fault = apprise_channel.address_fault(address)
    except SecretUnreadable as error:
        return [f"route.{route.name}.{error}"]
    named = f"route.{route.name}.{route.address_key}: {route.address_file!r}"
    return [f"{named}: {fault}"] if fault else []


def _keys(route: MessageRoute) -> list[bytes]:
    keys = signature.signing_keys(secret_files.read("secret_file", route.secret_file).reveal())
    if keys is None:
        raise SecretUnreadable(f"secret_file: {route.secret_file!r}: {signature.WANTED}")
    return keys
