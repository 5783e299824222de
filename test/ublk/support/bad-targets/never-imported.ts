await new Promise<void>(() => {});
export default { size: 4096, read: (): void => {} };
