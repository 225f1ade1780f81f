#include "ctl/trace/question.h"

#include "conf/schema/scalars.h"

namespace fairlead::trace {
namespace {

constexpr std::string_view kFlagLetters = "FSRPAU";  // from the lowest bit (RFC 9293, 3.1)

Result<std::uint8_t> parse_flags(std::string_view text) {
    if (text.empty()) {
        return kTcpSyn;
    }
    if (text == "established") {
        return kTcpAck;
    }
    std::uint8_t flags = 0;
    for (const char letter : text) {
        const std::size_t bit = kFlagLetters.find(letter);
        if (bit == std::string_view::npos) {
            return fail("flags must be \"established\" or letters of " + std::string(kFlagLetters) +
                        ", such as S or SA, not \"" + std::string(text.substr(0, 64)) + "\"");
        }
        flags = static_cast<std::uint8_t>(flags | 1U << bit);
    }
    return flags;
}

Result<conf::Endpoint> parse_end(std::string_view name, std::string_view text) {
    const auto endpoint = conf::parse_endpoint(text);
    if (!endpoint) {
        return fail(std::string(name) +
                    " must be ADDRESS:PORT, such as 198.51.100.7:40000 or [2001:db8::7]:40000, "
                    "not \"" +
                    std::string(text.substr(0, 64)) + "\"");
    }
    return *endpoint;
}

}  // namespace

Result<Question> parse_question(const QuestionText& text) {
    if (text.protocol != "tcp" && text.protocol != "udp") {
        return fail("protocol must be tcp or udp, not \"" +
                    std::string(text.protocol.substr(0, 64)) + "\"");
    }
    const bool is_tcp = text.protocol == "tcp";
    if (!is_tcp && !text.flags.empty()) {
        return fail("udp has no flags");
    }
    const Result<std::uint8_t> flags = parse_flags(text.flags);
    const Result<conf::Endpoint> source = parse_end("source", text.source);
    const Result<conf::Endpoint> destination = parse_end("destination", text.destination);
    for (const Error* error : {flags ? nullptr : &flags.error(),
                               source ? nullptr : &source.error(),
                               destination ? nullptr : &destination.error()}) {
        if (error != nullptr) {
            return Unexpected<Error>{*error};
        }
    }
    if (source->address.is_v4() != destination->address.is_v4()) {
        return fail("source and destination must be of one address family");
    }
    Question question;
    question.protocol = is_tcp ? kProtocolTcp : kProtocolUdp;
    question.source = source->address;
    question.destination = destination->address;
    question.source_port = source->port;
    question.destination_port = destination->port;
    question.tcp_flags = *flags;
    return question;
}

std::string flags_text(std::uint8_t tcp_flags) {
    std::string letters;
    for (std::size_t bit = 0; bit < kFlagLetters.size(); ++bit) {
        if ((tcp_flags >> bit & 1U) != 0) {
            letters += kFlagLetters[bit];
        }
    }
    return letters;
}

}  // namespace fairlead::trace
