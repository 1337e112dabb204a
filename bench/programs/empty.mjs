// The baseline: a Node process that has nothing to do. It says when it is there, and stays until its parent goes.
process.send?.({ type: 'bench:there', at: performance.timeOrigin + performance.now() })
process.on('disconnect', () => process.exit(0))
setInterval(() => {}, 2 ** 30)
