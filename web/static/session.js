// The API key lives in sessionStorage: this tab only, gone when it closes. Where storage is forbidden it lives in memory.
const NAME = "tickerd.key";
let memory = null;

export function savedKey() {
  try {
    return sessionStorage.getItem(NAME) ?? memory;
  } catch {
    return memory;
  }
}

export function saveKey(key) {
  memory = key;
  try {
    sessionStorage.setItem(NAME, key);
  } catch { /* memory has it */ }
}

export function forgetKey() {
  memory = null;
  try {
    sessionStorage.removeItem(NAME);
  } catch { /* memory had it */ }
}
