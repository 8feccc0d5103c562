import { exchange } from "./token.js";

/** The sign-in form. `onGrant(key, grant)` is called once a key was good for a token. */
export class SignIn {
  #form = document.getElementById("sign-in-form");
  #input = document.getElementById("key-input");
  #button = document.getElementById("sign-in");
  #reveal = document.getElementById("reveal");
  #error = document.getElementById("sign-in-error");
  #onGrant;
  #pause;

  constructor(onGrant) {
    this.#onGrant = onGrant;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.explain(""));
    this.#reveal.addEventListener("click", () => this.#show(this.#input.type === "password"));
  }

  focus() {
    this.#input.focus();
  }

  /** Says why the person is here, or why it did not work. */
  explain(text = "") {
    this.#error.textContent = text;
    this.#error.hidden = text === "";
    if (text) this.#input.setAttribute("aria-invalid", "true");
    else this.#input.removeAttribute("aria-invalid");
  }

  async #submit() {
    const key = this.#input.value.trim();
    if (!key) {
      this.explain("Please enter an API key.");
      this.focus();
      return;
    }
    if (this.#button.disabled) return;
    this.#busy("Signing in…");
    try {
      const grant = await exchange(key);
      this.#ready();
      this.explain();
      this.#input.value = "";
      this.#show(false);
      this.#onGrant(key, grant);
    } catch (error) {
      this.#ready();
      this.explain(error.message);
      if (error.kind === "limited") this.#wait(error.wait);
      else this.#input.select();
    }
  }

  #show(clear) {
    this.#input.type = clear ? "text" : "password";
    this.#reveal.setAttribute("aria-pressed", String(clear));
    this.#reveal.textContent = clear ? "Hide" : "Show";
  }

  #busy(label) {
    this.#button.disabled = true;
    this.#button.textContent = label;
  }

  #ready() {
    clearInterval(this.#pause);
    this.#button.disabled = false;
    this.#button.textContent = "Sign in";
  }

  #wait(milliseconds) {
    const until = performance.now() + milliseconds;
    const count = () => {
      const left = Math.ceil((until - performance.now()) / 1_000);
      if (left > 0) this.#busy(`Wait ${left} s`);
      else {
        this.#ready();
        this.explain();
      }
    };
    count();
    this.#pause = setInterval(count, 250);
  }
}
