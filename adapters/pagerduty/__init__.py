"""PagerDuty: webhooks in, incidents and notes through its REST API."""
