// Where the pointer is pressed. What lies under it must not be replaced or moved until it is released:
// the click would be lost, or hit something else.
let pressed = null;
const watchers = new Set();

addEventListener("pointerdown", ({ target }) => { pressed = target; });
for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, () => {
    pressed = null;
    for (const watcher of watchers) watcher();
  });
}

export const isPressed = (selector) => pressed?.closest?.(selector) != null;

/** Call `watcher()` at every release, just before its click. */
export const onRelease = (watcher) => watchers.add(watcher);
