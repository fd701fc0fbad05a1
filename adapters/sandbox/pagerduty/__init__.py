"""A stateful PagerDuty on loopback: REST v2, Events API v2 and signed V3 webhooks, with faults on request."""

from adapters.sandbox.pagerduty.deliveries import Delivery, DeliveryOutcome
from adapters.sandbox.pagerduty.faults import Fault, RecordedRequest
from adapters.sandbox.pagerduty.models import (
    Alert,
    AlertSpec,
    ChangeRecord,
    Dependency,
    EscalationPolicy,
    Incident,
    Note,
    OnCall,
    PagerDutyConfig,
    Priority,
    RestToken,
    Schedule,
    Service,
    Severity,
    Status,
    StatusUpdate,
    Subscription,
    Urgency,
    User,
    WebhookTiming,
)
from adapters.sandbox.pagerduty.problems import InvalidInput, NotFound, Problem
from adapters.sandbox.pagerduty.server import SandboxPagerDuty

__all__ = [
    "Alert",
    "AlertSpec",
    "ChangeRecord",
    "Delivery",
    "DeliveryOutcome",
    "Dependency",
    "EscalationPolicy",
    "Fault",
    "Incident",
    "InvalidInput",
    "NotFound",
    "Note",
    "OnCall",
    "PagerDutyConfig",
    "Priority",
    "Problem",
    "RecordedRequest",
    "RestToken",
    "SandboxPagerDuty",
    "Schedule",
    "Service",
    "Severity",
    "Status",
    "StatusUpdate",
    "Subscription",
    "Urgency",
    "User",
    "WebhookTiming",
]
