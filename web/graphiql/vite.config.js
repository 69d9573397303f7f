export default { base: '/graphiql/', worker: { format: 'es' }, build: { target: 'es2022', chunkSizeWarningLimit: 4000 } };
