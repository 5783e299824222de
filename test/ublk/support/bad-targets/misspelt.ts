export default { size: 4096, raed: () => {} };
