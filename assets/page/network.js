// How this machine is connected.

/** Calls `changed()` when there is a network again, or another: from cable to mobile, say. */
export function watchNetwork(changed) {
  addEventListener("online", changed);
  const { connection } = navigator;
  let kind = connection?.type;
  // Told of every new estimate of its speed, too; what counts is that it is another.
  connection?.addEventListener("change", () => {
    const isOther = connection.type !== kind;
    kind = connection.type;
    if (isOther && navigator.onLine) changed();
  });
}
