// lbctl: the command line. Everything is decided in ctl/cli.
#include <iostream>

#include "ctl/cli/commands.h"

int main(int argc, char** argv) {
    return fairlead::cli::run(argc, argv, std::cout, std::cerr);
}
