"""What other apps may listen to; catalog itself knows none of them."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit that changed a deployment. Arguments: deployment_id (UUID).
deployment_changed = Signal()
