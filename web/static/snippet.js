// How to connect from elsewhere, with this server's own address filled in. The key never is.
const SNIPPETS = {
  shell: (http) => `TOKEN=$(curl -s ${http}/auth/token -d '{"api_key":"YOUR_KEY"}' |
  sed 's/.*"token":"\\([^"]*\\)".*/\\1/')

curl -s ${http}/api/v1/prices -H "Authorization: Bearer $TOKEN"`,

  javascript: (http, ws) => `const answer = await fetch("${http}/auth/token", {
  method: "POST",
  body: JSON.stringify({ api_key: "YOUR_KEY" }),
});
const { token } = await answer.json();

const socket = new WebSocket("${ws}/ws/ticker", ["tickerd.v1", "bearer." + token]);
socket.onmessage = (event) => console.log(event.data);`,
};

/** Fills a <details> with the snippets: a radio group chooses one, a button copies it. */
export function showSnippets(root) {
  const code = root.querySelector("code");
  const copy = root.querySelector("#copy");
  const http = location.origin;
  const ws = http.replace(/^http/, "ws");
  const choose = (name) => { code.textContent = SNIPPETS[name](http, ws); };

  for (const radio of root.querySelectorAll("input[name=language]")) {
    radio.addEventListener("change", () => choose(radio.value));
    if (radio.checked) choose(radio.value);
  }
  copy.addEventListener("click", async () => {
    const done = await copyText(code);
    copy.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { copy.textContent = "Copy"; }, 2_000);
  });
}

/** Without https the clipboard is closed to pages, except on localhost; then the text is at least selected. */
async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
