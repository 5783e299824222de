throw new Error("this module has a bad day");
export default {};
