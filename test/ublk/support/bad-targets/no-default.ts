export const target = { size: 4096, read: () => {} };
