// Two people at once: each is the whole page in a frame of its own, so that nothing of one reaches the other.
import { el, replaceChildren } from "./dom.js";
import { loadState } from "./client.js";

const query = new URLSearchParams(location.search);

async function show() {
  const { users } = await loadState(query.get("left"));
  const people = users.filter((user) => !user.is_bot && !user.deleted);
  const ids = people.map((person) => person.id);
  const left = query.get("left") ?? ids[0];
  const right = query.get("right") ?? ids.find((id) => id !== left) ?? left;
  replaceChildren(document.getElementById("pair"), ...[left, right].map((id) => frameOf(people, id)));
}

function frameOf(people, id) {
  const name = people.find((person) => person.id === id)?.real_name ?? id;
  return el("iframe", { title: `The workspace as ${name} sees it`, src: `/?user=${encodeURIComponent(id)}` });
}

show();
