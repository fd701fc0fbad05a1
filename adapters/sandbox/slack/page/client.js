// The sandbox's own routes: the state, its changes, and what this person does.

export async function loadState(user) {
  const response = await fetch(`/sandbox/state?user=${encodeURIComponent(user ?? "")}`);
  if (!response.ok) throw new Error((await response.json()).error);
  return response.json();
}

export async function send(route, body) {
  try {
    const response = await fetch(`/sandbox/${route}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    return response.ok ? answer : { error: answer.error ?? `The sandbox answered ${response.status}.` };
  } catch {
    return { error: "The sandbox does not answer. Is it still running?" };
  }
}

// Call `changed` at once and after every change; a burst of changes is one call.
export function watch(changed, connected) {
  let waiting = false;
  const source = new EventSource("/sandbox/events");
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  source.onmessage = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(async () => {
      waiting = false;
      await changed();
    });
  };
  addEventListener("pagehide", () => source.close());
}
