# A policy of your own, asked besides Handrail's rules: it can refuse what they allow, and never allow more.
#
# Serve it with `opa run --server --addr 127.0.0.1:8181 policies/approval.rego`, and name it in policy.yaml:
#
#   opa:
#     url: http://127.0.0.1:8181/v1/data/handrail/approval
#
# `input` is one request; docs/policy.md lists its fields. The answer has `allow` and `reasons`.
package handrail.approval

import rego.v1

default allow := false

# Nothing speaks against it, and the request is one that this policy can read.
allow if {
	count(reasons) == 0
	input.risk in {"low", "medium", "high", "critical"}
	is_string(input.asker.user)
}

# Change the rules below, or add to them.

reasons contains "critical plans need an approver who is on call, not only a named one" if {
	input.risk == "critical"
	not startswith(input.asker.grounds, "on call")
}

reasons contains sprintf("%v is started too often: %d times of late", [input.playbook, n]) if {
	n := count([e | some e in input.executions; e.playbook == input.playbook; e.service == input.service])
	n >= 3
}
