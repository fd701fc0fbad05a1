/* The gate, for a model checker: every interleaving of people, time and owners that crash or are slow.
 *
 * Each `atomic` block is one transaction of the store. Proposals 1 and 2 belong to one incident (2 is an edit
 * of 1), proposal 3 to another incident; all three mean the same target, and the plan needs two people.
 * `-D M_…` seeds one mistake; with any of them the checker must find a violation.
 *
 * Printed lines begin with `#`: the same steps are played on the store's own code by test_gate_model.py.
 */

#define NUMBERS 4
#define QUORUM 2
#define BOTH 3

mtype = { absent, proposed, approved, started, done, failed, unknown, denied, expired, cancelled, superseded };
mtype = { idle, mine, taken, refused };

mtype state[NUMBERS];
byte people[NUMBERS];     /* bits: who approved, as the record holds it */
byte presses[NUMBERS];    /* how many approvals the record holds */
bool late[NUMBERS];       /* its expiry has passed, by the store's time */
byte claim_of[NUMBERS];   /* 1: this proposal claimed its step */
bool ended[NUMBERS];      /* the claim was given an end */
byte current = 1;         /* the first incident's newest proposal */
byte holder = 0;          /* the proposal that holds the target */
bool killed = false;
bool open[2] = { true, true };

/* What really happened, apart from what the record says. */
byte pressed[NUMBERS];    /* bits: who pressed Approve on exactly this proposal's bytes */
byte effects[NUMBERS];    /* how often the target was acted upon */
bool written[NUMBERS];    /* the start stands in the audit */

#define INCIDENT(n) ((n) / 3)
#define LIVE(n) (state[n] == proposed || state[n] == approved)

#ifdef M_CLICKS_COUNT
#define ENOUGH(n) (presses[n] >= QUORUM)
#else
#define ENOUGH(n) (people[n] == BOTH)
#endif

#ifdef M_KILL_IGNORED
#define NOT_KILLED true
#else
#define NOT_KILLED (!killed)
#endif

#ifdef M_RESOLVE_IGNORED
#define IS_OPEN(n) true
#else
#define IS_OPEN(n) (open[INCIDENT(n)])
#endif

#ifdef M_EXPIRY_AT_CLICK_ONLY
#define IN_TIME(n) true
#else
#define IN_TIME(n) (!late[n])
#endif

#ifdef M_NO_TARGET_LOCK
#define TARGET_FREE(n) true
#else
#define TARGET_FREE(n) (holder == 0 || holder == (n))
#endif

#ifdef M_DENY_IGNORED
#define READY(n) (state[n] == approved || state[n] == denied)
#else
#define READY(n) (state[n] == approved)
#endif

#define ADMITTED(n) (NOT_KILLED && READY(n) && ENOUGH(n) && IS_OPEN(n) && IN_TIME(n) && TARGET_FREE(n))

/* A person presses Approve on the card of proposal n. */
inline approve(n, me) {
	atomic {
		pressed[n] = pressed[n] | me;
		if
		:: state[n] == proposed && !killed && open[INCIDENT(n)] && !late[n] ->
			if
#ifdef M_CLICKS_COUNT
			:: true ->
#else
			:: (people[n] & me) == 0 ->
#endif
				people[n] = people[n] | me;
				presses[n]++;
				if
				:: ENOUGH(n) -> state[n] = approved
				:: else -> skip
				fi;
				printf("#approve %d %d accepted\n", n, me)
#ifndef M_CLICKS_COUNT
			:: else -> printf("#approve %d %d refused\n", n, me)
#endif
			fi
		:: state[n] == proposed && !killed && open[INCIDENT(n)] && late[n] ->
			state[n] = expired;
			printf("#approve %d %d refused\n", n, me)
		:: else -> printf("#approve %d %d refused\n", n, me)
		fi
	}
}

inline take(n) {
	/* I1, I5, I7, I13: what must hold at the moment a start is committed. */
	assert(pressed[n] == BOTH);
	assert(state[n] != denied && state[n] != expired && state[n] != cancelled && state[n] != superseded);
	assert(open[INCIDENT(n)]);
	assert(!killed);
	assert(!late[n]);
	assert(holder == 0 || holder == n);
	claim_of[n] = 1;
	holder = n;
	state[n] = started;
#ifndef M_AUDIT_AFTER
	written[n] = true
#endif
}

/* The claim's transaction: check, then fence, then write the start down. */
inline claim(n, got) {
#ifdef M_CHECK_THEN_ACT
	atomic {
		if
		:: claim_of[n] -> got = taken
		:: !claim_of[n] && ADMITTED(n) -> got = mine
		:: else -> got = refused
		fi
	}
	atomic {
		if
		:: got == mine -> take(n)
		:: else -> skip
		fi
	}
#else
	atomic {
		if
		:: claim_of[n] -> got = taken; printf("#claim %d taken\n", n)
		:: !claim_of[n] && ADMITTED(n) -> got = mine; printf("#claim %d mine\n", n); take(n)
		:: else ->
			got = refused;
			if
			:: state[n] == approved && !killed -> state[n] = cancelled
			:: else -> skip
			fi;
			printf("#claim %d refused\n", n)
		fi
	}
#endif
}

/* The target is acted upon: I2 and I8. */
inline act(n) {
	atomic {
		assert(written[n]);
		effects[n]++;
		assert(effects[n] == 1);
		assert(effects[1] + effects[2] <= 1)
	}
}

inline finish(n, result) {
	atomic {
		if
		:: !ended[n] ->
			ended[n] = true;
			state[n] = result;
			if
			:: result == done -> holder = 0   /* Watched, and found to have recovered. */
			:: else -> skip                   /* UNKNOWN holds the target until a person closes it. */
			fi;
			printf("#finish %d %e\n", n, result)
		:: else -> skip
		fi
	}
}

/* Two owners may hold the same incident at once: the first was only slow. Either may die anywhere. */
proctype Owner(byte incident) {
	byte n;
	mtype got = idle;
	if
	:: incident == 0 -> n = current
	:: else -> n = 3
	fi;
	do
	:: incident == 0 && n != current && !claim_of[n] -> n = current
	:: state[n] == approved || state[n] == started -> break
	:: timeout -> goto gone
	od;
	claim(n, got);
	if
	:: got == refused -> goto gone
	:: got == mine ->
		if
		:: true -> goto gone                  /* kill -9 between claim and effect */
		:: true -> skip
		fi;
		act(n);
		if
		:: true -> goto gone                  /* kill -9 between effect and end */
		:: true -> skip
		fi;
		finish(n, done)
	:: got == taken ->
#ifdef M_RUN_AGAIN
		act(n);
		finish(n, done)
#else
		finish(n, unknown)
#endif
	fi;
gone:
	skip
}

/* Somebody on call: presses the card they see, maybe an old one; one of them presses twice. */
proctype Clicker(byte me) {
	byte n;
	n = current;
	approve(n, me);
	if
	:: me == 1 -> n = current; approve(n, me)
	:: else -> skip
	fi
}

proctype Denier() {
	byte n = current;
	atomic {
		if
		:: LIVE(n) -> state[n] = denied; printf("#deny %d accepted\n", n)
		:: else -> printf("#deny %d refused\n", n)
		fi
	}
}

/* An edit: a new proposal with a new digest; what was given to the old one is void. */
proctype Editor() {
	atomic {
		if
		:: LIVE(1) ->
#ifdef M_APPROVALS_CARRIED_OVER
			people[2] = people[1];
			presses[2] = presses[1];
#endif
			state[1] = superseded;
			state[2] = proposed;
			current = 2;
			printf("#edit\n")
		:: else -> skip
		fi
	}
}

proctype Time() {
	atomic { late[1] = true; late[2] = true; printf("#late\n") }
}

proctype Expiry() {
	byte n = current;
	atomic {
		if
		:: late[n] && LIVE(n) -> state[n] = expired; printf("#expire %d\n", n)
		:: else -> skip
		fi
	}
}

proctype Resolve() {
	atomic { open[0] = false; printf("#resolve\n") }
	byte n = current;
	atomic {
		if
		:: LIVE(n) -> state[n] = cancelled; printf("#cancel %d\n", n)
		:: else -> skip
		fi
	}
}

proctype Kill() {
	atomic { killed = true; printf("#kill\n") }
}

/* The other incident's people agree at once: only the target stands between the two executions. */
proctype Rival() {
	approve(3, 1);
	approve(3, 2)
}

inline between() {
	if
	:: run Denier()
	:: run Editor()
	:: run Time(); run Expiry()
	:: run Resolve()
	:: run Kill()
	:: run Rival(); run Owner(1)
	fi
}

init {
	atomic {
		state[0] = absent;
		state[1] = proposed;
		state[2] = absent;
		state[3] = proposed;
		run Clicker(1);
		run Clicker(2);
		run Owner(0);
		run Owner(0);
		/* Any two of what may come between; every interleaving of all six is too much to visit. */
		between();
		between()
	}
}
