# Run with `opa test policies`.
package handrail.approval_test

import data.handrail.approval
import rego.v1

request := {
	"proposal": "P1-1",
	"service": "checkout",
	"playbook": "rollback-deploy",
	"risk": "medium",
	"executions": [],
	"asker": {"user": "U0DANA", "grounds": "named approver"},
}

execution := {"playbook": "rollback-deploy", "service": "checkout"}

test_a_usual_request_is_allowed if {
	approval.allow with input as request
	approval.reasons == set() with input as request
}

test_critical_needs_somebody_on_call if {
	critical := object.union(request, {"risk": "critical"})
	not approval.allow with input as critical
	count(approval.reasons) == 1 with input as critical
	approval.allow with input as object.union(critical, {"asker": {"user": "U0OMAR", "grounds": "on call at level 2"}})
}

test_three_starts_of_late_are_enough if {
	twice := object.union(request, {"executions": [execution, execution]})
	approval.allow with input as twice
	thrice := object.union(request, {"executions": [execution, execution, execution]})
	not approval.allow with input as thrice
}

test_what_it_cannot_read_is_not_allowed if {
	not approval.allow with input as {}
	not approval.allow with input as object.union(request, {"risk": "none"})
	not approval.allow with input as object.remove(request, ["asker"])
}
