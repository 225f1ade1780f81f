// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include "ctl/metrics/exporter.h"
