// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <algorithm>
#include <string>

#include "ctl/publish/publisher_state.h"
