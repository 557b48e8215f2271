"""What rooms above may listen to; jobs itself knows none of them."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit in which a rule took a package out of service: deployment_id (UUID), change (DeploymentChange).
deployment_rolled_back = Signal()

#: Sent by the dispatcher every few seconds: rooms above do their rounds with it. No arguments.
dispatcher_round = Signal()

#: Sent inside the transaction in which jobs change, after their rows are written: jobs (list[Job]), events (list[JobEvent]).
#: Whoever listens joins the transaction, so it must be quick, and may lock only what is locked after jobs. What it raises undoes
#: the transaction.
jobs_changed = Signal()
