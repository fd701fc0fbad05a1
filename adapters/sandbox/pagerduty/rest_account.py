"""REST routes around incidents: services, people, on-call, dependencies, changes, webhooks."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.bodies import Bodies, Body
from adapters.sandbox.pagerduty.deliveries import Deliverer
from adapters.sandbox.pagerduty.guard import Caller, guarded
from adapters.sandbox.pagerduty.lifecycle import Lifecycle
from adapters.sandbox.pagerduty.models import ChangeRecord, Subscription
from adapters.sandbox.pagerduty.paging import moment, page, wanted, within
from adapters.sandbox.pagerduty.problems import InvalidInput, NotFound

ABILITIES = (
    "teams",
    "urgencies",
    "service_support_hours",
    "change_events",
    "event_rules",
    "advanced_permissions",
)


class AccountRoutes:
    """Handlers over one account."""

    def __init__(self, account: Account, bodies: Bodies, lifecycle: Lifecycle, deliverer: Deliverer) -> None:
        self._account = account
        self._bodies = bodies
        self._lifecycle = lifecycle
        self._deliverer = deliverer

    def routes(self) -> list[Route]:
        """Return the routes, each behind the guard."""
        table = (
            ("/services", "GET", self.list_services),
            ("/services/{id}", "GET", self.get_service),
            ("/services/{id}/change_events", "GET", self.list_changes_of_service),
            ("/change_events", "GET", self.list_changes),
            ("/users", "GET", self.list_users),
            ("/users/me", "GET", self.get_me),
            ("/users/{id}", "GET", self.get_user),
            ("/oncalls", "GET", self.list_on_calls),
            ("/escalation_policies", "GET", self.list_policies),
            ("/priorities", "GET", self.list_priorities),
            ("/abilities", "GET", self.list_abilities),
            ("/service_dependencies/technical_services/{id}", "GET", self.list_dependencies),
            ("/webhook_subscriptions", "GET", self.list_subscriptions),
            ("/webhook_subscriptions/{id}", "GET", self.get_subscription),
            ("/webhook_subscriptions/{id}/enable", "POST", self.enable_subscription),
            ("/webhook_subscriptions/{id}/ping", "POST", self.ping_subscription),
        )
        return [Route(path, guarded(self._account, handler), methods=[verb]) for path, verb, handler in table]

    async def list_services(self, request: Request, _: Caller) -> Response:
        """Services, filtered by query (part of the name)."""
        matches = _name_filter(request)
        services = [service for service in self._account.config.services if matches(service.name)]
        return page(request, "services", services, self._bodies.service)

    async def get_service(self, request: Request, _: Caller) -> Response:
        """One service."""
        return JSONResponse({"service": self._bodies.service(self._account.service(_id(request)))})

    async def list_users(self, request: Request, _: Caller) -> Response:
        """Users, filtered by query (part of the name or address)."""
        matches = _name_filter(request)
        users = [user for user in self._account.config.users if matches(user.name) or matches(user.email)]
        return page(request, "users", users, self._bodies.user)

    async def get_user(self, request: Request, _: Caller) -> Response:
        """One user."""
        return JSONResponse({"user": self._bodies.user(self._account.user(_id(request)))})

    async def get_me(self, _: Request, caller: Caller) -> Response:
        """The token's user; an account token has none, which PagerDuty refuses too."""
        if caller.user_id is None:
            raise InvalidInput("This endpoint needs a user-level API token")
        return JSONResponse({"user": self._bodies.user(self._account.user(caller.user_id))})

    async def list_on_calls(self, request: Request, _: Caller) -> Response:
        """Who is on call between since and until, which are both now unless told."""
        policies, users = wanted(request, "escalation_policy_ids"), wanted(request, "user_ids")
        schedules = wanted(request, "schedule_ids")
        now = self._account.clock()
        since, until = moment(request, "since") or now, moment(request, "until") or now
        entries = [
            entry
            for entry in self._account.config.on_calls
            if policies(entry.escalation_policy_id)
            and users(entry.user_id)
            and schedules(entry.schedule_id)
            and entry.covers(since, until)
        ]
        entries.sort(key=lambda entry: (entry.escalation_policy_id, entry.level))
        with_user = "users" in request.query_params.getlist("include[]")
        return page(
            request, "oncalls", entries, lambda entry: self._bodies.on_call(entry, with_user=with_user)
        )

    async def list_policies(self, request: Request, _: Caller) -> Response:
        """Escalation policies."""
        return page(
            request, "escalation_policies", self._account.config.escalation_policies, self._bodies.policy
        )

    async def list_priorities(self, request: Request, _: Caller) -> Response:
        """Priorities."""
        return page(
            request,
            "priorities",
            self._account.config.priorities,
            lambda priority: {
                "id": priority.id,
                "type": "priority",
                "name": priority.name,
                "summary": priority.name,
            },
        )

    async def list_abilities(self, _: Request, __: Caller) -> Response:
        """What the account's plan can do."""
        return JSONResponse({"abilities": list(ABILITIES)})

    async def list_dependencies(self, request: Request, _: Caller) -> Response:
        """Relationships that the service is a side of."""
        service = self._account.service(_id(request))
        relationships: list[Body] = [
            {
                "id": one.id,
                "type": "service_dependency",
                "supporting_service": self._side(one.supporting_id),
                "dependent_service": self._side(one.dependent_id),
            }
            for one in self._account.config.dependencies
            if service.id in (one.supporting_id, one.dependent_id)
        ]
        return JSONResponse({"relationships": relationships})

    async def list_changes(self, request: Request, _: Caller) -> Response:
        """Change events of the account, newest first."""
        return self._changes(request, self._account.change_records)

    async def list_changes_of_service(self, request: Request, _: Caller) -> Response:
        """Change events of one service, newest first."""
        service = self._account.service(_id(request))
        return self._changes(request, [r for r in self._account.change_records if r.service_id == service.id])

    async def list_subscriptions(self, request: Request, _: Caller) -> Response:
        """Webhook subscriptions, without their secrets."""
        subscriptions = tuple(self._deliverer.subscriptions.values())
        return page(request, "webhook_subscriptions", subscriptions, self._bodies.subscription)

    async def get_subscription(self, request: Request, _: Caller) -> Response:
        """One subscription."""
        return JSONResponse({"webhook_subscription": self._bodies.subscription(self._subscription(request))})

    async def enable_subscription(self, request: Request, _: Caller) -> Response:
        """Enable a subscription that three drops disabled."""
        enabled = self._deliverer.enable(_id(request))
        return JSONResponse({"webhook_subscription": self._bodies.subscription(enabled)})

    async def ping_subscription(self, request: Request, _: Caller) -> Response:
        """Send pagey.ping to this subscription."""
        ping(self._lifecycle, self._subscription(request))
        return Response(status_code=202)

    def _changes(self, request: Request, records: list[ChangeRecord]) -> Response:
        in_time = within(request)
        found = sorted((r for r in records if in_time(r.at)), key=lambda record: record.at, reverse=True)
        return page(request, "change_events", found, self._bodies.change)

    def _subscription(self, request: Request) -> Subscription:
        subscription = self._deliverer.subscriptions.get(_id(request))
        if subscription is None:
            raise NotFound
        return subscription

    def _side(self, service_id: str) -> Body:
        return self._bodies.service_reference(service_id) | {"type": "technical_service_reference"}


def ping(lifecycle: Lifecycle, subscription: Subscription) -> str:
    """Send PagerDuty's test event and return its id."""
    return lifecycle.publish(
        "pagey.ping",
        {"message": "Hello from your friend Pagey!", "type": "ping"},
        queue="pagey",
        only_subscription=subscription.id,
    )


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _name_filter(request: Request) -> Callable[[str], bool]:
    query = request.query_params.get("query", "").lower()
    return lambda name: query in name.lower()
