// One tab of a browser has a conversation at a time. The lock goes with the tab, however it ends.

/**
 * Takes the lock of `convo`, from whoever holds it if `steal`; false if another tab has it. `lost` is called when
 * another tab takes it away.
 */
export function takeConversation(convo, { steal, lost }) {
  return new Promise((taken) => {
    const hold = (lock) => {
      taken(lock !== null);
      return lock === null ? undefined : new Promise(() => {});
    };
    const options = steal ? { steal: true } : { ifAvailable: true };
    navigator.locks.request(`twocan ${convo}`, options, hold).catch(lost);
  });
}
