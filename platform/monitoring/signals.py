"""What other rooms may listen to, such as whoever sends messages out."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit. Arguments: alert (monitoring.models.Alert).
alert_raised = Signal()
