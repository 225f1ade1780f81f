#include "ctl/capture/filter.h"

#include <memory>

#include <pcap/pcap.h>

#include "dp/shm/capture.h"

namespace fairlead::capture {
namespace {

struct HandleCloser {
    void operator()(pcap_t* handle) const { ::pcap_close(handle); }
};

}  // namespace

Result<std::vector<FilterInstruction>> compile_filter(const std::string& expression) {
    if (expression.empty()) {
        return std::vector<FilterInstruction>();
    }
    const std::unique_ptr<pcap_t, HandleCloser> handle(
        ::pcap_open_dead(DLT_EN10MB, static_cast<int>(shm::kMaxSnapBytes)));
    bpf_program compiled{};
    constexpr int kOptimize = 1;
    if (!handle ||
        ::pcap_compile(
            handle.get(), &compiled, expression.c_str(), kOptimize, PCAP_NETMASK_UNKNOWN) != 0) {
        return fail("the filter \"" + expression + "\" is no tcpdump expression: " +
                    (handle ? ::pcap_geterr(handle.get()) : "no memory") + "; see pcap-filter(7)");
    }
    std::vector<FilterInstruction> program;
    for (unsigned i = 0; i < compiled.bf_len; ++i) {
        const bpf_insn& from = compiled.bf_insns[i];
        program.push_back({from.code, from.jt, from.jf, from.k});
    }
    ::pcap_freecode(&compiled);
    if (program.size() > kMaxFilterInstructions) {
        return fail("the filter needs " + std::to_string(program.size()) +
                    " instructions, and the engine takes at most " +
                    std::to_string(kMaxFilterInstructions) + ": simplify it");
    }
    if (!check_filter(program)) {
        return fail("the filter asks for something that the engine does not run");
    }
    return program;
}

}  // namespace fairlead::capture
