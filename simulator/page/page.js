// What does the agent see, and what can the agent do?
// Text from outside is only ever put in with textContent.

import { label, words } from "./words.js";

const REFRESH_MILLISECONDS = 250; // at most this often, however much happens
const RETRY_MILLISECONDS = 2000;

const byId = (id) => document.getElementById(id);
const agent = byId("agent");
const text = byId("text");
const log = byId("log");

const seen = new Map(); // chat id -> how many texts have been looked at
let chosen = null;
let shownLines = 0;
let shownChat = null;

async function call(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await fetch(`/simulator/${path}`, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

// The list

function make(tag, className, content) {
  const element = document.createElement(tag);
  element.className = className;
  if (content !== undefined) element.textContent = content;
  return element;
}

function entry(chat) {
  const button = make("button", "entry");
  button.type = "button";
  button.dataset.id = chat.id;
  if (chat.id === chosen) button.setAttribute("aria-current", "true");
  const name = make("span", "entry-name", chat.visitor_name || words.no_name);
  button.append(name, make("span", "entry-last", chat.last?.text ?? words.no_words));
  if (chat.last && chat.id !== chosen && chat.texts > (seen.get(chat.id) ?? 0)) {
    const dot = make("span", "dot");
    dot.setAttribute("role", "img");
    dot.setAttribute("aria-label", words.new_words);
    button.append(dot);
  }
  button.addEventListener("click", () => choose(chat.id));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function showList(name, chats) {
  const list = byId(name);
  const focused = list.contains(document.activeElement) && document.activeElement.dataset.id;
  list.replaceChildren(...chats.map(entry));
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
  byId(`${name}-count`).textContent = chats.length;
  byId(`${name}-none`).hidden = chats.length > 0;
}

// The chosen chat

function lineOf(line) {
  const item = make("div", line.type === "Agent" ? "line ours" : "line theirs");
  const time = make("time", "", new Date(line.at * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }));
  const said = make("p", "words", line.text);
  item.append(make("span", "speaker", line.name), said, time);
  return item;
}

function showTranscript(chat) {
  if (shownChat !== chat.id) {
    log.replaceChildren();
    shownLines = 0;
    shownChat = chat.id;
  }
  if (chat.transcript.length < shownLines) return; // overtaken by a newer answer
  const atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(...chat.transcript.slice(shownLines).map(lineOf));
  if (atBottom || shownLines === 0) log.scrollTop = log.scrollHeight;
  shownLines = chat.transcript.length;
}

function showChat(chat) {
  if (chat.id !== chosen) return; // another has been chosen meanwhile
  seen.set(chat.id, chat.transcript.length);
  byId("name").textContent = chat.visitor_name || words.no_name;
  byId("about").textContent = byId("about").title = [chat.agent, chat.line_id].filter(Boolean).join(" · ");
  const isOver = chat.state === "ended";
  byId("accept").hidden = isOver || chat.agent !== null;
  byId("end").hidden = isOver;
  byId("composer").hidden = chat.state !== "established" || chat.agent === null;
  byId("over").hidden = !isOver;
  byId("over").textContent = `${words.over} (${chat.ended_by})`;
  showTranscript(chat);
}

async function choose(id) {
  chosen = id;
  document.body.classList.toggle("chatting", id !== null);
  byId("chat").hidden = id === null;
  byId("hint").hidden = id !== null;
  await refresh();
  if (id === null) return;
  const canWrite = !byId("composer").hidden;
  (canWrite ? text : byId("accept").hidden ? byId("name") : byId("accept")).focus();
}

// What the agent does

async function order(name, body) {
  try {
    showChat(await call("POST", `chats/${chosen}/${name}`, body));
    return true;
  } catch (error) {
    trouble(error instanceof TypeError ? words.unreachable : error.message);
    return false;
  }
}

async function say() {
  const said = text.value;
  if (!said.trim()) return;
  text.value = "";
  if (!(await order("say", { text: said }))) text.value ||= said;
  grow();
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

async function accept() {
  localStorage.setItem("agent", agent.value);
  await order("accept", { agent: agent.value.trim() || "Riley" });
  text.focus();
}

// Following along

function trouble(message) {
  byId("trouble").textContent = message ?? "";
  byId("trouble").hidden = !message;
}

async function refresh() {
  try {
    const chats = await call("GET", "overview");
    showList("waiting", chats.filter((chat) => chat.state === "waiting"));
    showList("open", chats.filter((chat) => chat.state === "established"));
    if (chosen !== null) showChat(await call("GET", `chats/${chosen}`));
    trouble(null);
  } catch (error) {
    if (error instanceof TypeError) return trouble(words.unreachable);
    if (chosen !== null) await choose(null); // it has been forgotten by a reset
  }
}

let isPlanned = false;

function refreshSoon() {
  if (isPlanned) return;
  isPlanned = true;
  setTimeout(() => {
    isPlanned = false;
    refresh();
  }, REFRESH_MILLISECONDS);
}

async function follow() {
  try {
    const stream = await fetch("/simulator/stream");
    const reader = stream.body.getReader();
    while (!(await reader.read()).done) refreshSoon();
  } catch {
    trouble(words.unreachable);
  }
  setTimeout(follow, RETRY_MILLISECONDS);
  refreshSoon();
}

label(document);
agent.value = localStorage.getItem("agent") ?? "Riley";
agent.addEventListener("change", () => localStorage.setItem("agent", agent.value));
byId("back").addEventListener("click", () => choose(null));
byId("accept").addEventListener("click", accept);
byId("end").addEventListener("click", () => order("end", {}));
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  say();
});
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  const isComposing = event.isComposing || event.keyCode === 229; // Safari says it so
  if (event.key !== "Enter" || event.shiftKey || isComposing) return;
  event.preventDefault();
  say();
});
refresh();
follow();
