/* The gate, for a model checker: every interleaving of people, time and owners that crash or are slow.
 *
 * Each `atomic` block is one transaction of the store. Proposals 1 and 2 belong to one incident (2 is an edit
 * of 1), proposal 3 to another incident; all three mean the same target, and the plan needs two people. In half
 * of the runs the plans of the first incident say that their undo runs by itself when they did not help.
 * `-D M_…` seeds one mistake; with any of them the checker must find a violation. `-D UNDO_SOUGHT` leaves out what
 * would keep most random runs from coming to an undo.
 *
 * Printed lines begin with `#`: the same steps are played on the store's own code by test_gate_model.py.
 */

#define NUMBERS 4
#define QUORUM 2
#define BOTH 3

mtype = { absent, proposed, approved, started, done, failed, unknown, denied, expired, cancelled, superseded };
mtype = { verified, undoing, not_recovered };
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
bool declared = false;    /* the first incident's plans say that their undo runs by itself */
bool undo_claimed = false;
mtype undo_end = absent;

/* What really happened, apart from what the record says. */
byte pressed[NUMBERS];    /* bits: who pressed Approve on exactly this proposal's bytes */
byte effects[NUMBERS];    /* how often the target was acted upon */
bool written[NUMBERS];    /* the start stands in the audit */
byte undone = 0;          /* how often what was done was taken back */

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

#ifdef M_UNDO_NOT_DECLARED
#define UNDOES_ITSELF(n) (INCIDENT(n) == 0)
#else
#define UNDOES_ITSELF(n) (declared && INCIDENT(n) == 0)
#endif

#ifdef M_UNDO_IN_DOUBT
#define DID_NOT_HELP(n) (state[n] == done || state[n] == unknown)
#else
#define DID_NOT_HELP(n) (state[n] == done)
#endif

#ifdef M_UNDO_LOOKED_AT_ONCE
#define MAY_GO_ON(n) true
#else
#define MAY_GO_ON(n) (NOT_KILLED && IS_OPEN(n) && holder == (n))
#endif

#ifdef UNDO_SOUGHT
#define MAY_DIE false
#define LOOKS_DEAD(n) ended[n]
#else
#define MAY_DIE true
#define LOOKS_DEAD(n) true
#endif

/* Nobody can say of it whether it took effect. */
#define UNDO_IN_DOUBT (undo_claimed && undo_end != done)

#ifdef M_UNDO_LETS_GO
#define MAY_LET_GO true
#else
#define MAY_LET_GO (!UNDO_IN_DOUBT)
#endif

#ifdef M_STOP_LETS_GO
#define STOPPED_IN_DOUBT false
#else
#define STOPPED_IN_DOUBT UNDO_IN_DOUBT
#endif

#define MAY_FOLLOW(n, result) ( \
	(state[n] == done && result != unknown) || \
	(state[n] == undoing && result == unknown) || \
	(state[n] == undoing && result == not_recovered && MAY_LET_GO))

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
		assert(effects[1] + effects[2] <= 1);
		assert(INCIDENT(n) == 1 || undone == 0)
	}
}

inline finish(n, result) {
	atomic {
		if
		:: !ended[n] ->
			ended[n] = true;
			printf("#finish %d %e\n", n, result);
			if
			:: state[n] == started -> state[n] = result
			:: else -> skip                   /* It was stopped meanwhile: its end is for a person to tell. */
			fi;
			if
			:: state[n] == done && !UNDOES_ITSELF(n) -> state[n] = verified; holder = 0
			:: else -> skip                   /* UNKNOWN holds the target until a person closes it. */
			fi
		:: else -> skip
		fi
	}
}

/* The plan did not help: its undo may begin, once, if it was approved with the plan. */
inline begin_undo(n, got) {
	atomic {
		if
		:: UNDOES_ITSELF(n) && DID_NOT_HELP(n) && !undo_claimed && NOT_KILLED && IS_OPEN(n) && holder == n ->
			printf("#begin_undo %d begun\n", n);
			/* I1, I5, I7: what must hold when an undo begins. */
			assert(declared && pressed[n] == BOTH);
			assert(open[INCIDENT(n)]);
			assert(!killed);
			state[n] = undoing;
			got = mine
		:: else -> got = refused; printf("#begin_undo %d refused\n", n)
		fi
	}
}

inline claim_undo(n, got) {
	atomic {
		if
		:: undo_claimed -> got = taken; printf("#claim_undo %d taken\n", n)
		:: !undo_claimed && state[n] == undoing && MAY_GO_ON(n) ->
			printf("#claim_undo %d mine\n", n);
			assert(open[INCIDENT(n)]);
			assert(!killed);
			undo_claimed = true;
			got = mine
		:: else -> got = refused; printf("#claim_undo %d refused\n", n)
		fi
	}
}

/* What was done is taken back: once, after it was done, and while the target is still ours (I2, I13). */
inline take_back(n) {
	atomic {
		undone++;
		assert(undone == 1);
		assert(effects[n] == 1);
		assert(holder == n)
	}
}

inline finish_undo(n, result) {
	atomic {
		if
		:: undo_end == absent -> undo_end = result; printf("#finish_undo %d %e\n", n, result)
		:: else -> skip
		fi
	}
}

inline conclude(n, result) {
	atomic {
		if
		:: state[n] == result -> printf("#conclude %d %e accepted\n", n, result)
		:: state[n] != result && MAY_FOLLOW(n, result) ->
			state[n] = result;
			if
			:: result != unknown -> holder = 0
			:: else -> skip
			fi;
			printf("#conclude %d %e accepted\n", n, result)
		:: else -> printf("#conclude %d %e refused\n", n, result)
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
	:: UNDOES_ITSELF(n) && (state[n] == done || state[n] == undoing) -> goto watch
	:: timeout -> goto gone
	od;
	claim(n, got);
	if
	:: got == refused -> goto gone
	:: got == mine ->
		if
		:: MAY_DIE -> goto gone               /* kill -9 between claim and effect */
		:: true -> skip
		fi;
		act(n);
		if
		:: MAY_DIE -> goto gone               /* kill -9 between effect and end */
		:: true -> skip
		fi;
		finish(n, done)
	:: got == taken ->
#ifdef M_RUN_AGAIN
		act(n);
		finish(n, done)
#else
		LOOKS_DEAD(n);
		finish(n, unknown)
#endif
	fi;
watch:
	/* An owner that dies from here on is one that is slow for ever: it needs no way out of its own. */
	if
	:: UNDOES_ITSELF(n) && DID_NOT_HELP(n) ->
		if
		:: true -> conclude(n, verified); goto gone
		:: true -> begin_undo(n, got)
		fi;
		if
		:: got == refused ->
			/* Without looking again: it may be that another owner's undo runs. */
			conclude(n, not_recovered);
			goto gone
		:: else -> skip
		fi
	:: UNDOES_ITSELF(n) && state[n] == undoing -> skip
	:: else -> goto gone
	fi;
	claim_undo(n, got);
	if
	:: got == refused -> conclude(n, not_recovered); goto gone
	:: got == mine -> take_back(n); finish_undo(n, done)
	:: got == taken ->
#ifdef M_UNDO_RUN_AGAIN
		if
		:: undo_end == absent -> take_back(n)
		:: else -> skip
		fi;
		finish_undo(n, done)
#else
		finish_undo(n, unknown)
#endif
	fi;
	if
	:: undo_end == done -> conclude(n, not_recovered)
	:: else -> conclude(n, unknown)
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

/* `stop`: withdraws what waits; of what runs, nothing further starts. */
proctype Stop() {
	byte n = current;
	atomic {
		if
		:: LIVE(n) -> state[n] = cancelled
		:: state[n] == started || (state[n] == undoing && STOPPED_IN_DOUBT) -> state[n] = unknown
		:: UNDOES_ITSELF(n) && state[n] == done -> state[n] = failed; holder = 0
		:: state[n] == undoing && !STOPPED_IN_DOUBT -> state[n] = not_recovered; holder = 0
		:: else -> skip
		fi;
		printf("#stop %d %e\n", n, state[n])
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
	:: run Stop()
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
		/* Any two of what may come between; every interleaving of all of them is too much to visit. Of plans that
		 * take themselves back one is enough: what comes before the start is the same for them. */
		between();
		if
#ifndef UNDO_SOUGHT
		:: between()
#endif
		:: declared = true; printf("#declared\n")
		fi
	}
}
