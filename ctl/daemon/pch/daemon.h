// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <fmt/format.h>

#include "ctl/daemon/daemon.h"
