"""What rooms above may listen to; jobs itself knows none of them."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit in which a rule took a package out of service: deployment_id (UUID), change (DeploymentChange).
deployment_rolled_back = Signal()

#: Sent by the dispatcher every few seconds: rooms above do their rounds with it. No arguments.
dispatcher_round = Signal()
