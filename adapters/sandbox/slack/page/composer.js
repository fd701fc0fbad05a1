// A box to write in: slash commands go to the app, other text into the channel or thread.

async function speak(page, field, threadTs, { act, showOutcome }) {
  const text = field.value.trim();
  if (!text) return;
  const command = page.state.commands.find((name) => text === name || text.startsWith(`${name} `));
  if (command && threadTs) {
    showOutcome(`${command} is not supported in threads. Sorry!`, false);
    return;
  }
  if (text.startsWith("/") && !command) {
    showOutcome(`${text.split(" ")[0]} is not a valid command.`, false);
    return;
  }
  field.value = "";
  field.style.height = "";
  const said = command
    ? await act("command", { channel: page.channel, command, text: text.slice(command.length).trim() }, command)
    : await act("message", { channel: page.channel, text, thread_ts: threadTs ?? undefined }, null);
  if (said.error && !field.value) field.value = text;
}

export function composer(page, form, field, threadTs, { act, showOutcome }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    speak(page, field, threadTs(), { act, showOutcome });
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  field.addEventListener("input", () => {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, 160)}px`;
    const isCommand = page.state?.commands.some((name) => field.value.startsWith(name)) ?? false;
    form.classList.toggle("is-command", isCommand);
  });
}
